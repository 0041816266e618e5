"""Objects that lie turned and zoomed in pictures, and how exactly methods say how."""
