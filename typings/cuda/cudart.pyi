# The runtime bindings' name before cuda-python 12.6.
from cuda.bindings.runtime import *
