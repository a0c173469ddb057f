"""`keras.ops.nn`: activations, convolutions, pooling, losses."""

from fastnn.graph.declaration import record_calls as _record_calls
from fastnn.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    relu6,
    selu,
    silu,
    soft_shrink,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    tanh_shrink,
    threshold,
)
from fastnn.ops.alignment import (
    ctc_decode,
    ctc_loss,
)
from fastnn.ops.complex import (
    polar,
)
from fastnn.ops.conv import (
    conv,
    depthwise_conv,
    separable_conv,
)
from fastnn.ops.conv_transpose import (
    conv_transpose,
)
from fastnn.ops.einsum import (
    dot_product_attention,
)
from fastnn.ops.elementwise import (
    relu,
    sigmoid,
    softplus,
)
from fastnn.ops.image_filters import (
    psnr,
)
from fastnn.ops.normalization import (
    batch_normalization,
    layer_normalization,
    rms_normalization,
)
from fastnn.ops.placing import (
    multi_hot,
)
from fastnn.ops.pool import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
)
from fastnn.ops.reduce import (
    moments,
    normalize,
)
from fastnn.ops.rows import (
    one_hot,
)
from fastnn.ops.softmax import (
    binary_crossentropy,
    categorical_crossentropy,
    log_softmax,
    softmax,
    sparse_categorical_crossentropy,
    sparsemax,
)
from fastnn.ops.windows import (
    depth_to_space,
    fold,
    space_to_depth,
    unfold,
)

swish, hard_swish = silu, hard_silu

_record_calls(globals())
