"""Data on their way to a model: pictures, folders of pictures, and reading ahead."""
