"""Programs and the passes over them: trace, differentiate, fuse, lower, place."""
