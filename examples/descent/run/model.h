// The network of a run.
#pragma once

#include "run/options.h"

namespace app {

/// The network that the options describe, for so many inputs and outputs. Throws UsageError for a
/// layer without units.
descent::nn::MlpOptions network_of(const Options& o, std::int64_t inputs, std::int64_t outputs);

/// Makes this network for a data set: an input for each feature, an output for each class or, for a
/// regression, a single output. Initial weights come from the global generator: call manual_seed()
/// before. `schema` says which inputs hold numbers of words.
descent::nn::Sequential make_model(const Options& o, const descent::data::Dataset& d,
                                   const descent::data::Schema& schema = {});

}  // namespace app
