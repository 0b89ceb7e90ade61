// All built-in wrappers, in the order of tables. A new built-in wrapper needs a line here and no
// other line.
#pragma once

// clang-format off
#include <descent/optim/wrappers/sam.h>
#include <descent/optim/wrappers/gsam.h>
#include <descent/optim/wrappers/looksam.h>
#include <descent/optim/wrappers/kfac.h>
#include <descent/optim/wrappers/clip_norm.h>
#include <descent/optim/wrappers/clip_value.h>
#include <descent/optim/wrappers/clip_norm_per_parameter.h>
#include <descent/optim/wrappers/agc.h>
#include <descent/optim/wrappers/noise.h>
#include <descent/optim/wrappers/accumulate.h>
#include <descent/optim/wrappers/skip_non_finite.h>
#include <descent/optim/wrappers/lookahead.h>
#include <descent/optim/wrappers/cautious.h>
#include <descent/optim/wrappers/mechanic.h>
#include <descent/optim/wrappers/swa.h>
#include <descent/optim/wrappers/ema.h>
// clang-format on
