"""What people wrote of pictures, as files from elsewhere have it: objects, references, sentences."""
