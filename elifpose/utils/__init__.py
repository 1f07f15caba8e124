"""Small tools that every other folder may use: errors, geometry, image reading."""
