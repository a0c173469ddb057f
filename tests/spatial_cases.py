"""The rows of layers over sequences, images and volumes; added to `cases.LAYERS`."""

from cases import LayerCase

TRANSPOSED = (
    LayerCase("conv1d_transpose", lambda k: k.layers.Conv1DTranspose(4, 3), (2, 5, 3)),
    LayerCase("conv1d_transpose_same2", lambda k: k.layers.Conv1DTranspose(4, 3, 2, "same"), (2, 5, 3)),
    LayerCase(
        "conv1d_transpose_padded", lambda k: k.layers.Conv1DTranspose(3, 3, 3, "same", output_padding=2), (2, 4, 2)
    ),
    LayerCase("conv1d_transpose_gaps", lambda k: k.layers.Conv1DTranspose(3, 2, 4), (2, 3, 2)),
    LayerCase("conv1d_transpose_gaps_same", lambda k: k.layers.Conv1DTranspose(3, 2, 4, "same"), (2, 3, 2)),
    LayerCase("conv1d_transpose_dilated", lambda k: k.layers.Conv1DTranspose(3, 3, dilation_rate=2), (2, 5, 2)),
    LayerCase("conv2d_transpose", lambda k: k.layers.Conv2DTranspose(4, 3), (2, 4, 5, 3)),
    LayerCase("conv2d_transpose_stride2", lambda k: k.layers.Conv2DTranspose(4, 3, 2), (2, 3, 4, 3)),
    LayerCase("conv2d_transpose_same", lambda k: k.layers.Conv2DTranspose(3, 3, 2, "same"), (2, 3, 4, 2)),
    LayerCase("conv2d_transpose_same_even", lambda k: k.layers.Conv2DTranspose(3, 4, 2, "same"), (2, 3, 4, 2)),
    LayerCase(
        "conv2d_transpose_output_padding",
        lambda k: k.layers.Conv2DTranspose(3, (3, 2), (2, 3), "valid", output_padding=(1, 2), activation="relu"),
        (2, 3, 2, 2),
    ),
    LayerCase(
        "conv2d_transpose_no_bias", lambda k: k.layers.Conv2DTranspose(3, 2, 1, "same", use_bias=False), (2, 3, 3, 2)
    ),
    LayerCase("conv3d_transpose", lambda k: k.layers.Conv3DTranspose(2, 2), (2, 2, 3, 2, 3)),
    LayerCase("conv3d_transpose_same2", lambda k: k.layers.Conv3DTranspose(2, 3, 2, "same"), (1, 2, 3, 2, 2)),
    LayerCase(
        "conv3d_transpose_output_padding",
        lambda k: k.layers.Conv3DTranspose(2, (3, 2, 2), (3, 2, 2), "same", output_padding=(2, 1, 0)),
        (1, 2, 2, 2, 2),
    ),
)

CONV = (
    LayerCase("conv3d", lambda k: k.layers.Conv3D(3, 2), (2, 3, 4, 3, 2)),
    LayerCase("conv3d_same", lambda k: k.layers.Conv3D(2, 3, padding="same", activation="tanh"), (2, 3, 3, 2, 2)),
    LayerCase("conv3d_same_stride", lambda k: k.layers.Conv3D(2, 3, (2, 1, 2), "same"), (1, 4, 3, 3, 2)),
    LayerCase("conv3d_dilated", lambda k: k.layers.Conv3D(2, 2, dilation_rate=(2, 1, 1)), (2, 4, 3, 3, 2)),
    LayerCase("conv3d_groups", lambda k: k.layers.Conv3D(4, 2, groups=2), (2, 3, 3, 2, 4)),
    LayerCase("conv3d_pointwise", lambda k: k.layers.Conv3D(3, 1, 2), (2, 3, 3, 2, 2)),
    LayerCase("depthwise_conv1d", lambda k: k.layers.DepthwiseConv1D(3), (2, 7, 3)),
    LayerCase("depthwise_conv1d_same", lambda k: k.layers.DepthwiseConv1D(3, 2, "same", depth_multiplier=2), (2, 7, 3)),
    LayerCase("separable_conv1d", lambda k: k.layers.SeparableConv1D(4, 3), (2, 7, 3)),
    LayerCase(
        "separable_conv1d_same",
        lambda k: k.layers.SeparableConv1D(4, 2, padding="same", dilation_rate=2, depth_multiplier=2),
        (2, 7, 3),
    ),
)

POOLING = (
    LayerCase("max_pooling3d", lambda k: k.layers.MaxPooling3D(), (2, 4, 5, 2, 2)),
    LayerCase("max_pooling3d_same", lambda k: k.layers.MaxPooling3D(3, 2, "same"), (2, 4, 3, 5, 2)),
    LayerCase("average_pooling3d", lambda k: k.layers.AveragePooling3D((2, 1, 2)), (2, 4, 3, 2, 2)),
    LayerCase("average_pooling3d_same", lambda k: k.layers.AveragePooling3D(2, 2, "same"), (2, 3, 3, 5, 2)),
    LayerCase("global_average_pooling3d", lambda k: k.layers.GlobalAveragePooling3D(), (2, 2, 3, 2, 4)),
    LayerCase("global_max_pooling3d", lambda k: k.layers.GlobalMaxPooling3D(keepdims=True), (2, 2, 3, 2, 4)),
    LayerCase("adaptive_average_pooling1d", lambda k: k.layers.AdaptiveAveragePooling1D(3), (2, 7, 2)),
    LayerCase("adaptive_average_pooling2d", lambda k: k.layers.AdaptiveAveragePooling2D((2, 3)), (2, 5, 4, 2)),
    LayerCase("adaptive_average_pooling3d", lambda k: k.layers.AdaptiveAveragePooling3D(2), (2, 3, 4, 2, 2)),
    LayerCase("adaptive_max_pooling1d", lambda k: k.layers.AdaptiveMaxPooling1D(3), (2, 7, 2)),
    LayerCase("adaptive_max_pooling2d", lambda k: k.layers.AdaptiveMaxPooling2D(3), (2, 6, 4, 2)),
    LayerCase("adaptive_max_pooling3d", lambda k: k.layers.AdaptiveMaxPooling3D((2, 1, 2)), (2, 3, 4, 2, 2)),
)

RESHAPING = (
    LayerCase("zero_padding3d", lambda k: k.layers.ZeroPadding3D(), (2, 2, 1, 2, 2)),
    LayerCase("zero_padding3d_sides", lambda k: k.layers.ZeroPadding3D(((1, 0), (0, 2), (1, 1))), (2, 2, 1, 2, 2)),
    LayerCase("cropping3d", lambda k: k.layers.Cropping3D(), (2, 4, 3, 3, 2)),
    LayerCase("cropping3d_sides", lambda k: k.layers.Cropping3D(((1, 0), (0, 2), (1, 1))), (2, 3, 4, 3, 2)),
    LayerCase("up_sampling3d", lambda k: k.layers.UpSampling3D((2, 1, 3)), (2, 2, 2, 1, 2)),
    LayerCase("spatial_dropout1d_inference", lambda k: k.layers.SpatialDropout1D(0.5), (2, 3, 2), train=False),
    LayerCase("spatial_dropout3d_inference", lambda k: k.layers.SpatialDropout3D(0.5), (2, 1, 3, 2, 2), train=False),
)

CASES = TRANSPOSED + CONV + POOLING + RESHAPING
