"""What is known of a sharp picture: captions, classes, identities, shot types."""
