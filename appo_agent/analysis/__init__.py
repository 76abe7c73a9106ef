"""What runs and evaluations mean: intervals, comparisons, diagnoses."""
