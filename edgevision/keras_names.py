"""The names that the config of a Keras model may use: classes, activations, modules and TensorFlow functions."""

from __future__ import annotations

import re

_LAYERS = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D
Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D
Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GELU GRU
GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LSTM LSTMCell
LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D
Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop
RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape
Resizing SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D
SpatialDropout3D SpectralNormalization StackedRNNCells Subtract SyncBatchNormalization ThresholdedReLU TimeDistributed
UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
BatchNormalizationV1 BatchNormalizationV2 TFOpLambda SlicingOpLambda Functional Model Sequential InputSpec
"""

_PARTS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal RandomNormal
RandomUniform TruncatedNormal VarianceScaling Zeros L1 L1L2 L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg
RadialConstraint UnitNorm Policy DTypePolicy TensorShape __keras_tensor__ __tensor__ __numpy__ __bytes__ __tuple__
__ellipsis__
"""

_TFMOT = """
PruneLowMagnitude ConstantSparsity PolynomialDecay QuantizeLayer QuantizeWrapper QuantizeWrapperV2
QuantizeAnnotate QuantizeAwareActivation NoOpActivation AllValuesQuantizer LastValueQuantizer
MovingAverageQuantizer FixedQuantizer NoOpQuantizeConfig OutputOnlyConfig OutputQuantizeConfig
Default8BitQuantizeConfig Default8BitConvQuantizeConfig Default8BitConvTransposeQuantizeConfig
Default8BitOutputQuantizeConfig Default8BitActivationQuantizeConfig Default8BitConvWeightsQuantizer
Default8BitConvTransposeWeightsQuantizer ClusterWeights
"""

_KERAS3 = """
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
AdaptiveMaxPooling3D AugMix AutoContrast CutMix DTypePolicyMap Equalization GroupQueryAttention MixUp RMSNormalization
RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur
RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness
RandomShear ReversibleEmbedding Solarization __slice__
"""

CLASSES = frozenset((_LAYERS + _PARTS + _TFMOT + _KERAS3).split())
"""Class names that a config may name: none of them runs anything that the file brings along."""

_ACTIVATIONS_TEXT = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax
squareplus swish tanh tanh_shrink threshold
"""
ACTIVATIONS = frozenset(_ACTIVATIONS_TEXT.split())

_FUNCTION_MODULES_TEXT = """
builtins keras.activations tf_keras.activations keras.src.activations tf_keras.src.activations
keras.src.activations.activations
"""
FUNCTION_MODULES = frozenset(_FUNCTION_MODULES_TEXT.split())

_MODULE = re.compile(r"(keras|tf_keras|tensorflow_model_optimization\.python\.core)(\.[A-Za-z0-9_]+)*")

# Pure functions of tensors. tf.io, tf.py_function, tf.load_op_library, tf.keras.* and the like are not among them.
_TENSORFLOW_ROOM = re.compile(r"(__operators__|math|nn|linalg)\.[a-z0-9_]+")
_TENSORFLOW_OPS_TEXT = """
abs add argmax argmin broadcast_to cast clip_by_value concat constant convert_to_tensor cos divide einsum exp
expand_dims eye fill floor gather gather_nd identity image.resize image.crop_to_bounding_box image.flip_left_right
image.flip_up_down image.pad_to_bounding_box image.rgb_to_grayscale image.grayscale_to_rgb matmul maximum minimum
multiply negative one_hot ones ones_like pad pow quantization.fake_quant_with_min_max_args
quantization.fake_quant_with_min_max_vars quantization.fake_quant_with_min_max_vars_per_channel range rank realdiv
reduce_max reduce_mean reduce_min reduce_prod reduce_sum repeat reshape reverse round shape sigmoid sign sin slice
sort split sqrt square squeeze stack strided_slice subtract tanh tensordot tile transpose truediv unstack where zeros
zeros_like
"""
_TENSORFLOW_OPS = frozenset(_TENSORFLOW_OPS_TEXT.split())


def safe_module(module: object) -> bool:
    """Whether a class may be looked up in this module: Keras' own or the model optimization toolkit's.

    >>> safe_module("keras.layers"), safe_module("os"), safe_module("keras_evil")
    (True, False, False)
    """
    return module is None or (isinstance(module, str) and _MODULE.fullmatch(module) is not None)


def safe_tensorflow_op(function: object) -> bool:
    """Whether this TensorFlow symbol (without ``tf.``) is a pure function of tensors.

    >>> safe_tensorflow_op("nn.relu6"), safe_tensorflow_op("io.write_file")
    (True, False)
    """
    return isinstance(function, str) and (
        function in _TENSORFLOW_OPS or _TENSORFLOW_ROOM.fullmatch(function) is not None
    )


# Keras 3 has its operations in these modules; those of keras.src.ops.core take Python functions, all but a few.
_OPERATION_MODULES = frozenset(f"keras.src.ops.{name}" for name in ("image", "linalg", "math", "nn", "numpy"))
_CORE_OPERATIONS = frozenset(("Cast", "Slice", "StopGradient", "Unstack"))


def safe_operation(module: object, name: object) -> bool:
    """Whether this class is an operation of Keras 3 that computes tensors from tensors.

    >>> safe_operation("keras.src.ops.numpy", "Add"), safe_operation("keras.src.ops.core", "Map")
    (True, False)
    """
    if not isinstance(module, str) or not isinstance(name, str) or not re.fullmatch("[A-Z][A-Za-z0-9]*", name):
        return False
    return module in _OPERATION_MODULES or (module == "keras.src.ops.core" and name in _CORE_OPERATIONS)
