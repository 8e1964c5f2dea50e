"""The four face classes of UMSN, in the order of a mask's labels 0 to 3."""

FACE_CLASSES = ("background", "skin", "parts", "hair")
