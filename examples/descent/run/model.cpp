#include "run/model.h"

namespace app {

using namespace descent;

nn::MlpOptions network_of(const Options& o, std::int64_t inputs, std::int64_t outputs) {
  nn::MlpOptions network{.inputs = inputs,
                         .hidden = {},
                         .outputs = outputs,
                         .activation = o.activation,
                         .dropout = o.dropout,
                         .batch_norm = o.batch_norm,
                         .embedded = {}};
  if (o.hidden.size() == 1 && o.hidden[0] == 0) return network;
  for (const int h : o.hidden) {
    if (h < 1)
      fail<UsageError>(
          "--hidden", "got a layer of ", h,
          ", expected 1 or more units. Hint: --hidden 64,64, or --hidden 0 for a linear model");
    network.hidden.push_back(h);
  }
  return network;
}

nn::Sequential make_model(const Options& o, const data::Dataset& d, const data::Schema& schema) {
  nn::MlpOptions network =
      network_of(o, d.num_features(), d.is_classification() ? d.num_classes() : d.y.size(1));
  network.embedded = embedded_columns(schema);
  return nn::mlp(network);
}

}  // namespace app
