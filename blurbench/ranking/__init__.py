"""Results into boards: who is better, and how sure that is."""
