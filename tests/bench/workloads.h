// The workloads of descent_bench: nets, their data and their first weights. Every number comes from
// a small generator in this file. A program on another library can therefore train the same net on
// the same data, and its losses can be compared.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

enum class Activation { relu, tanh };
enum class Loss { cross_entropy, bce, mse, pinn };
enum class Rule { sgd, momentum, adagrad, rmsprop, adam, adamw, lbfgs };

struct Workload {
  std::vector<int> widths;  // of the input, the hidden layers and the output
  Activation activation;
  Loss loss;
  Rule rule;
  int batch, rows;  // rows of the data, a multiple of batch
  double lr;
  bool sam = false;
};

inline std::vector<int> deep(int in, int hidden, int layers, int out) {
  std::vector<int> widths(static_cast<std::size_t>(layers) + 2, hidden);
  widths.front() = in;
  widths.back() = out;
  return widths;
}

/// Finds a workload by its name on the command line. "mlp:64,128,10/32" is a ReLU net with widths
/// 64, 128 and 10, trained by Adam with batch 32.
inline std::optional<Workload> find_workload(const std::string& name) {
  using enum Activation;
  using enum Rule;
  const auto ce = Loss::cross_entropy;
  if (name == "tiny") return Workload{{2, 16, 16, 1}, tanh, Loss::bce, momentum, 32, 1024, 0.1};
  if (name == "digits") return Workload{{64, 64, 10}, relu, ce, adam, 32, 1792, 1e-3};
  if (name == "mnist_s") return Workload{{784, 128, 10}, relu, ce, adam, 64, 8192, 1e-3};
  if (name == "mnist_m") return Workload{{784, 256, 256, 10}, relu, ce, adamw, 128, 8192, 1e-3};
  if (name == "adam_paper") return Workload{{784, 1000, 1000, 10}, relu, ce, adam, 128, 8192, 1e-3};
  if (name == "wide")
    return Workload{{1024, 4096, 4096, 1024}, relu, Loss::mse, adam, 512, 2048, 1e-4};
  if (name == "deep") return Workload{deep(64, 64, 20, 10), relu, ce, momentum, 16, 1792, 1e-2};
  if (name == "pinn") return Workload{{2, 32, 32, 32, 1}, tanh, Loss::pinn, adam, 256, 4096, 1e-3};
  if (name == "lbfgs") return Workload{{2, 32, 32, 1}, tanh, Loss::mse, lbfgs, 1024, 1024, 1};
  if (name == "sam_mnist_s")
    return Workload{{784, 128, 10}, relu, ce, momentum, 64, 8192, 1e-2, true};
  if (name.rfind("mlp:", 0) == 0) {
    Workload w{{}, relu, ce, adam, 32, 0, 1e-3};
    std::size_t at = 4;
    for (; at < name.size() && name[at - 1] != '/'; ++at) {
      std::size_t used = 0;
      w.widths.push_back(std::stoi(name.substr(at), &used));
      at += used;
    }
    if (at < name.size()) w.batch = std::stoi(name.substr(at));
    w.rows = w.batch * 16;
    return w;
  }
  return {};
}

/// Splitmix64.
struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  float uniform(float low, float high) {  // 24 bits
    return low + (high - low) * static_cast<float>(static_cast<double>(next() >> 40) * 0x1p-24);
  }
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32);
  }
};

struct Samples {
  std::vector<float> x;              // (rows, in)
  std::vector<float> y;              // (rows, out) targets, unless there are labels
  std::vector<std::int64_t> labels;  // (rows)
  std::vector<std::int64_t> order;   // a fixed order of the rows: step s takes the s-th batch
};

inline Samples make_samples(const Workload& w) {
  const auto rows = static_cast<std::size_t>(w.rows),
             in = static_cast<std::size_t>(w.widths.front()),
             out = static_cast<std::size_t>(w.widths.back());
  Samples s;
  Random r{1234};
  s.x.resize(rows * in);
  switch (w.loss) {
    case Loss::cross_entropy: {  // clouds around ten centres
      constexpr std::size_t kClasses = 10;
      std::vector<float> centres(kClasses * in);
      for (float& v : centres) v = r.uniform(-0.25f, 0.25f);
      for (std::size_t i = 0; i < rows; ++i) {
        const std::size_t k = r.below(kClasses);
        s.labels.push_back(static_cast<std::int64_t>(k % out));
        for (std::size_t j = 0; j < in; ++j)
          s.x[i * in + j] = centres[k * in + j] + r.uniform(-0.5f, 0.5f);
      }
      break;
    }
    case Loss::bce:  // which diagonal pair of quadrants
      for (std::size_t i = 0; i < rows; ++i) {
        const float a = r.uniform(-1, 1), b = r.uniform(-1, 1);
        s.x[2 * i] = a;
        s.x[2 * i + 1] = b;
        s.y.push_back(a * b > 0 ? 1.f : 0.f);
      }
      break;
    case Loss::mse:
      for (float& v : s.x) v = r.uniform(-1, 1);
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < out; ++j) {
          const float a = s.x[i * in + (j * 7 + 3) % in], b = s.x[i * in + (j * 3 + 1) % in];
          s.y.push_back(a * b + 0.5f * a);
        }
      break;
    case Loss::pinn:  // points in [-1, 1] × [0, 1] and the forcing term there
      for (std::size_t i = 0; i < rows; ++i) {
        const float x = r.uniform(-1, 1), t = r.uniform(0, 1);
        s.x[2 * i] = x;
        s.x[2 * i + 1] = t;
        s.y.push_back(std::sin(3.14159265f * x) * std::cos(2 * t));
      }
  }
  for (std::size_t i = 0; i < rows; ++i) s.order.push_back(static_cast<std::int64_t>(i));
  for (std::size_t i = rows - 1; i > 0; --i)
    std::swap(s.order[i], s.order[r.below(static_cast<std::uint32_t>(i + 1))]);
  return s;
}

/// The weight of a layer, (out, in) row-major; biases start at zero.
inline std::vector<float> first_weight(const Workload& w, std::size_t layer) {
  const auto in = static_cast<std::size_t>(w.widths[layer]),
             out = static_cast<std::size_t>(w.widths[layer + 1]);
  Random r{777 + layer};
  const float bound =
      std::sqrt((w.activation == Activation::relu ? 6.f : 3.f) / static_cast<float>(in));
  std::vector<float> weight(in * out);
  for (float& v : weight) v = r.uniform(-bound, bound);
  return weight;
}

}  // namespace bench
