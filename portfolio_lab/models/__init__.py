"""The words: what one fact or one result is. Frozen; imports nothing of ours but errors."""
