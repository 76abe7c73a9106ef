"""The environments that gymnasium knows by id."""
