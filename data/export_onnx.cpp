// The ONNX file: a graph of operators, written as protocol buffers by hand. The numbers of fields
// are those of onnx.proto, https://github.com/onnx/onnx/blob/v1.8.0/onnx/onnx.proto.
#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/data/export.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

namespace descent::data {
namespace {

/// A message of protocol buffers.
class Message {
 public:
  Message& number(int field, std::uint64_t x) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(x);
    return *this;
  }
  Message& real(int field, float x) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(x);
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(bits >> (8 * i));
    return *this;
  }
  Message& text(int field, std::string_view s) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(s.size());
    bytes_ += s;
    return *this;
  }
  Message& part(int field, const Message& m) { return text(field, m.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t x) {
    for (; x >= 128; x >>= 7) bytes_ += static_cast<char>(x | 128);
    bytes_ += static_cast<char>(x);
  }
  std::string bytes_;
};

/// The graph: operators in their order, and constants.
class Graph {
 public:
  using Names = std::vector<std::string>;

  /// Adds an operator. Returns the name of its output.
  std::string op(const char* type, const Names& inputs, const std::vector<Message>& attributes = {},
                 const std::string& output = "") {
    const std::string name = output.empty() ? to_text("t", ++count_) : output;
    Message node;
    for (const std::string& input : inputs) node.text(1, input);
    node.text(2, name).text(3, to_text(type, ++nodes_)).text(4, type);
    for (const Message& attribute : attributes) node.part(5, attribute);
    graph_.part(1, node);
    return name;
  }
  /// Adds a constant of float32.
  std::string constant(const Tensor& t) {
    const Tensor dense = t.to(kFloat32).contiguous();
    const auto values = dense.to_vector<float>();
    for (const float x : values)
      if (!std::isfinite(x))
        fail<ValueError>("to_onnx", "got a model with a weight of ", x, ", expected finite ones");
    const std::string name = to_text("c", ++count_);
    Message tensor;
    for (const std::int64_t extent : t.shape())
      tensor.number(1, static_cast<std::uint64_t>(extent));
    tensor.number(2, 1).text(8, name);
    tensor.text(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    graph_.part(5, tensor);
    return name;
  }
  std::string constant(double x) { return constant(tensor({x})); }

  std::string finish(std::int64_t inputs, std::int64_t outputs,
                     const std::vector<std::pair<std::string, std::string>>& notes) {
    graph_.text(2, "descent");
    graph_.part(11, value("inputs", inputs)).part(12, value("outputs", outputs));
    Message model;
    model.number(1, 7).text(2, "Descent").part(7, graph_);
    model.part(8, Message().text(1, "").number(2, 13));
    for (const auto& [key, text] : notes) model.part(14, Message().text(1, key).text(2, text));
    return model.bytes();
  }

 private:
  static Message value(const char* name, std::int64_t width) {
    Message shape;
    shape.part(1, Message().text(2, "batch"));
    shape.part(1, Message().number(1, static_cast<std::uint64_t>(width)));
    const Message tensor = Message().number(1, 1).part(2, shape);
    return Message().text(1, name).part(2, Message().part(1, tensor));
  }

  Message graph_;
  int count_ = 0, nodes_ = 0;
};

Message attribute(const char* name, std::int64_t x) {
  return Message().text(1, name).number(3, static_cast<std::uint64_t>(x)).number(20, 2);
}
Message attribute(const char* name, float x) {
  return Message().text(1, name).real(2, x).number(20, 1);
}

std::string activated(Graph& g, const std::string& name, const std::string& x) {
  if (name == "relu") return g.op("Relu", {x});
  if (name == "tanh") return g.op("Tanh", {x});
  if (name == "sigmoid") return g.op("Sigmoid", {x});
  if (name == "silu") return g.op("Mul", {x, g.op("Sigmoid", {x})});
  if (name == "leaky_relu") return g.op("LeakyRelu", {x}, {attribute("alpha", 0.01F)});
  if (name == "elu") return g.op("Elu", {x}, {attribute("alpha", 1.0F)});
  if (name == "softplus") return g.op("Softplus", {x});
  if (name != "gelu")
    fail<ValueError>("to_onnx", "got the activation '", brief(name),
                     "', expected one that mlp() "
                     "knows");
  const std::string erf = g.op("Erf", {g.op("Mul", {x, g.constant(std::sqrt(0.5))})});
  const std::string half = g.op("Mul", {x, g.constant(0.5)});
  return g.op("Mul", {half, g.op("Add", {erf, g.constant(1.0)})});
}

/// A number with all its digits.
std::string exact(double x) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::fixed).ptr};
}

/// For each input what is subtracted, what it is multiplied by then, and whether it is clipped.
struct Scaling {
  std::vector<double> mean, scale, clip;
};
Scaling scaling_of(const Schema& schema) {
  Scaling s;
  const auto add = [&](double mean, double scale, double clip) {
    s.mean.push_back(mean), s.scale.push_back(scale), s.clip.push_back(clip);
  };
  for (const Feature& f : schema.features) {
    const bool number = f.use == ColumnUse::number;
    if (number) add(f.mean, 1 / f.deviation, f.smooth_clip ? 1 : 0);
    const std::int64_t width = f.width() + (f.embedding > 0 ? std::ssize(f.words) - 1 : 0);
    for (std::int64_t i = number ? 1 : 0; i < width; ++i) add(0, 1, 0);
  }
  return s;
}

}  // namespace

std::string to_onnx(const TableModel& model) {
  Graph g;
  const Target& target = model.schema.target;
  const Scaling s = scaling_of(model.schema);
  const auto d = static_cast<std::int64_t>(s.mean.size());
  const auto row = [&](const std::vector<double>& v) { return g.constant(tensor(v)); };
  // (x − m)·scale + rest, where m is the mean as a float and `rest` puts its rounding right.
  std::vector<double> rest;
  for (std::size_t i = 0; i < s.mean.size(); ++i)
    rest.push_back((static_cast<float>(s.mean[i]) - s.mean[i]) * s.scale[i]);
  std::string x = g.op("Mul", {g.op("Sub", {"inputs", row(s.mean)}), row(s.scale)});
  x = g.op("Add", {x, row(rest)});
  if (std::find(s.clip.begin(), s.clip.end(), 1.0) != s.clip.end()) {
    std::vector<double> ninth;
    for (const double clip : s.clip) ninth.push_back(clip / 9);
    const std::string squares = g.op("Mul", {g.op("Mul", {x, x}), row(ninth)});
    const std::string root =
        g.op("Sqrt", {g.op("Add", {squares, row(std::vector<double>(s.clip.size(), 1.0))})});
    x = g.op("Div", {x, root});
  }
  std::string sum;
  for (std::size_t n = 0; n < model.nets.size(); ++n) {
    std::string y = x;
    for (const DenseLayer& layer : model.layers(n)) {
      // As (out, in), since OpenCV's importer takes no other.
      y = g.op("Gemm", {y, g.constant(layer.weight.transpose(0, 1)), g.constant(layer.bias)},
               {attribute("transB", std::int64_t{1})});
      if (!layer.activation.empty()) y = activated(g, layer.activation, y);
    }
    if (!target.classes.empty()) y = g.op("Softmax", {y}, {attribute("axis", std::int64_t{1})});
    sum = sum.empty() ? y : g.op("Add", {sum, y});
  }
  const double networks = static_cast<double>(model.nets.size());
  std::string names;
  std::vector<double> scales, shifts;
  for (const Target& t : model.schema.all_targets()) {
    names += (names.empty() ? "" : "\n") + t.name;
    scales.push_back(t.deviation / networks), shifts.push_back(t.mean + t.shift);
  }
  if (target.classes.empty())
    g.op("Add", {g.op("Mul", {sum, g.constant(tensor(scales))}), g.constant(tensor(shifts))}, {},
         "outputs");
  else
    g.op("Mul", {sum, g.constant(1 / networks)}, {}, "outputs");
  std::string inputs, classes;
  const auto add = [](std::string& lines, const std::string& line) {
    for (const char c : line) lines += c == '\n' || c == '\r' ? ' ' : c;
    lines += '\n';
  };
  for (const Feature& f : model.schema.features) {
    if (f.use == ColumnUse::number)
      add(inputs, f.shift == 0 ? f.name : to_text(f.name, " less ", exact(f.shift)));
    else if (f.words.size() <= 2)
      add(inputs, f.words.size() == 2 ? to_text(f.name, " = ", f.words[1]) : f.name);
    else
      for (const std::string& word : f.words) add(inputs, to_text(f.name, " = ", word));
    if (f.has_gaps) add(inputs, f.name + " gap");
  }
  for (const std::string& c : target.classes) add(classes, c);
  return g.finish(d, model.network.outputs,
                  {{"inputs", inputs}, {"target", names}, {"classes", classes}});
}

std::map<std::string, Tensor> to_arrays(const TableModel& model) {
  const Scaling s = scaling_of(model.schema);
  std::vector<double> scales, shifts;
  for (const Target& t : model.schema.all_targets())
    scales.push_back(t.deviation), shifts.push_back(t.mean + t.shift);
  std::map<std::string, Tensor> arrays{{"mean", tensor(s.mean)},
                                       {"scale", tensor(s.scale)},
                                       {"clip", tensor(s.clip)},
                                       {"output_mean", tensor(shifts)},
                                       {"output_scale", tensor(scales)}};
  for (std::size_t n = 0; n < model.nets.size(); ++n) {
    const std::vector<DenseLayer> layers = model.layers(n);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      arrays.emplace(to_text("net", n, ".layer", l, ".weight"), layers[l].weight);
      arrays.emplace(to_text("net", n, ".layer", l, ".bias"), layers[l].bias);
    }
  }
  return arrays;
}

}  // namespace descent::data
