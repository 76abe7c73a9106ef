"""What generates and what learns: the two protocols and their implementations."""
