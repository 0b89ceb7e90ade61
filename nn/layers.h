// All layers but the recurrent layers. Each family of layers has its own header.
// A layer is a handle (see module.h). Layers have the same initial values as in PyTorch.
#pragma once

#include <descent/nn/batch_norm.h>
#include <descent/nn/dropout.h>
#include <descent/nn/embedding.h>
#include <descent/nn/flatten.h>
#include <descent/nn/layer_norm.h>
#include <descent/nn/linear.h>
#include <descent/nn/standardize.h>
