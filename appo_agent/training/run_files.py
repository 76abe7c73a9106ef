"""What a run leaves on disk besides checkpoints: tree records, transcripts, the learning curve, dumps of refused steps."""
