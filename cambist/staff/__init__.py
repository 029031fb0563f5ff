"""The staff: who they are, what they prove it with, and what each role may do."""
