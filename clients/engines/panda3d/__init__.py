"""WonderZoom's surfels in Panda3D (`pip install panda3d`)."""
