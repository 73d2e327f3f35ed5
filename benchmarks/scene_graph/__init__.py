"""What the scene graph costs against the size of a world and the depth of a place in it."""
