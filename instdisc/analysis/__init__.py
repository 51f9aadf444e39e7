"""What a backbone knows, what it throws away, and where what is built on it errs."""
