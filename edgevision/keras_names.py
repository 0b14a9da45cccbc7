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

CLASSES = frozenset((_LAYERS + _PARTS + _TFMOT).split())
"""Class names that a config may name: none of them runs anything that the file brings along."""

_ACTIVATIONS_TEXT = """
elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax softplus
softsign swish tanh
"""
ACTIVATIONS = frozenset(_ACTIVATIONS_TEXT.split())

FUNCTION_MODULES = frozenset(
    ("builtins", "keras.activations", "tf_keras.activations", "keras.src.activations", "tf_keras.src.activations")
)

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
