"""Tell whether a picture shows the place of another one."""
