// Exported models; tests/interop/run.sh runs them elsewhere.
#include "tests/support/errors.h"

#include <descent/descent.h>

#include <gtest/gtest.h>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;

TableModel model_of(const nn::MlpOptions& network, bool robust = false) {
  const data::Table t = data::parse_table("n,w,y\n1,a,0.5\n2,b,1\n4,c,7\n8,a,3\n");
  TableModel m;
  m.schema = data::Schema::fit(t, {.robust = robust});
  m.network = network;
  m.network.inputs = m.schema.num_inputs();
  manual_seed(5);
  m.nets = {nn::mlp(m.network)};
  if (network.batch_norm) m.nets[0](randn({16, m.network.inputs}) * 3.0 + 1.0);
  m.nets[0].eval();
  return m;
}

TEST(Layers, PredictWhatTheNetworkPredicts) {
  for (const bool batch_norm : {false, true})
    for (const double dropout : {0.0, 0.5}) {
      const TableModel m = model_of(
          {.hidden = {6, 5}, .activation = "tanh", .dropout = dropout, .batch_norm = batch_norm});
      const Tensor x = randn({10, m.network.inputs});
      Tensor y = x;
      for (const DenseLayer& layer : m.layers()) {
        y = matmul(y, layer.weight) + layer.bias;
        if (layer.activation == "tanh") y = tanh(y);
      }
      nn::Sequential net = m.nets[0];
      EXPECT_TRUE(allclose(y, net(x), 1e-5, 1e-6)) << batch_norm << dropout;
      EXPECT_EQ(m.layers().size(), 3U);
      EXPECT_EQ(m.layers()[2].activation, "");
    }
}

TEST(ToC, RefusesWhatIsNoName) {
  const TableModel m = model_of({.hidden = {2}});
  for (const char* prefix : {"", "2x", "a b", "a-b"})
    EXPECT_TRUE(has_text(message_of<ValueError>([&] { data::to_c(m, prefix); }),
                         "expected letters, digits and _"));
}

TEST(Export, RefusesWeightsThatAreNotFinite) {
  TableModel m = model_of({.hidden = {2}});
  const NoGradGuard guard;
  for (const auto& [name, p] : m.nets[0].parameters()) Tensor(p).fill_(NAN);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { data::to_c(m, "m"); }), "a weight of nan"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { data::to_onnx(m); }), "a weight of nan"));
}

TEST(Export, NamesTheInputsOfOnnx) {
  const std::string file = data::to_onnx(model_of({.hidden = {2}}, true));
  EXPECT_TRUE(has_text(file, "n\nw = a\nw = b\nw = c\n"));
}

TEST(Schema, ClipsSmoothly) {
  // The quartiles of 0 … 8 and 1000 are 2 and 6, by place; the median is 4.5.
  std::string text = "x,y\n";
  for (const int x : {0, 1, 2, 3, 4, 5, 6, 7, 8, 1000}) text += to_text(x, ",", x % 3, "\n");
  const data::Table t = data::parse_table(text);
  const data::Schema s = data::Schema::fit(t, {.robust = true});
  EXPECT_EQ(s.features[0].mean, 4.5);
  EXPECT_EQ(s.features[0].deviation, 4);
  const auto z = s.inputs(t).to_vector<double>();
  const double last = (1000 - 4.5) / 4, first = -4.5 / 4;
  EXPECT_NEAR(z[9], last / std::sqrt(1 + last * last / 9), 1e-6);
  EXPECT_NEAR(z[0], first / std::sqrt(1 + first * first / 9), 1e-6);
  EXPECT_LT(z[9], 3);
  EXPECT_EQ(data::Schema::from_json(s.to_json()).inputs(t).to_vector(), s.inputs(t).to_vector());
}

}  // namespace
}  // namespace descent
