// All layers but the recurrent ones; each family has a header of its own.
// A layer is a handle (see module.h), and its initial values are PyTorch's.
#pragma once

#include <descent/nn/batch_norm.h>
#include <descent/nn/dropout.h>
#include <descent/nn/embedding.h>
#include <descent/nn/flatten.h>
#include <descent/nn/layer_norm.h>
#include <descent/nn/linear.h>
