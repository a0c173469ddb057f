"""`keras.ops.image`: functions of images (n, h, w, c) or (h, w, c)."""

from fastnn.graph.declaration import record_calls as _record_calls
from fastnn.ops.image_color import (
    hsv_to_rgb,
    rgb_to_grayscale,
    rgb_to_hsv,
)
from fastnn.ops.image_filters import (
    extract_patches,
    extract_patches_3d,
    gaussian_blur,
    sobel_edges,
    ssim,
)
from fastnn.ops.image_resize import (
    crop_images,
    pad_images,
    resize,
    scale_and_translate,
)
from fastnn.ops.image_sampling import (
    affine_transform,
    elastic_transform,
    map_coordinates,
    perspective_transform,
)

_record_calls(globals())
