#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/log.h>
#include <descent/optim/wrappers/kfac.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace descent::optim {

namespace {

using Pass = descent::detail::FisherPass;

/// The number of the parameter that is this tensor; none for a tensor that is no parameter.
std::optional<std::size_t> index_of(const Parameters& all, const Tensor& t) {
  for (std::size_t i = 0; t.defined() && i < all.size(); ++i)
    if (all[i].value.is_same(t)) return i;
  return {};
}

/// The names of a layer's factors. The bias is a part of them: a weight that is used with two
/// biases has two layers.
std::string layer_name(const Parameters& all, std::size_t weight, std::optional<std::size_t> bias) {
  return bias ? to_text(all[weight].name, " ", all[*bias].name) : all[weight].name;
}

/// What layer_name() joined, by the names of the parameters.
std::optional<std::pair<std::size_t, std::size_t>> weight_and_bias(
    const std::map<std::string, std::size_t>& index, const std::string& name) {
  for (std::size_t at = name.find(' '); at != name.npos; at = name.find(' ', at + 1)) {
    const auto weight = index.find(name.substr(0, at)), bias = index.find(name.substr(at + 1));
    if (weight != index.end() && bias != index.end()) return {{weight->second, bias->second}};
  }
  return {};
}

double mean_of_diagonal(const Tensor& a) {
  return sum(diag(a)).item() / static_cast<double>(a.size(0));
}
Tensor inverse_of(const Tensor& a, double lambda) {
  const Tensor unit = eye(a.size(0), kFloat64);
  return kernel::solve(a + unit * lambda, unit);
}

/// A layer's gradient [G_W G_b] in double, and the step that is made of it.
struct Block {
  std::size_t weight;
  std::optional<std::size_t> bias;
  Tensor g, step;
};

/// The gradient of a parameter as columns, in double; zeros for one without a gradient.
Tensor columns_of_gradient(const Update& u, std::size_t i) {
  const Tensor g = u.gradient(i), w = u.weight(i);
  const Tensor wide = g.defined() ? g.to(kFloat64) : zeros(w.shape(), kFloat64);
  return w.dim() == 1 ? wide.unsqueeze(1) : wide;
}

}  // namespace

std::int64_t Kfac::columns_of(const Pass& pass, const Parameters& all) {
  const auto is_parameter = [&](const Pass::Layer& layer) {
    return index_of(all, layer.weight).has_value();
  };
  if (!std::ranges::any_of(pass.layers, is_parameter)) {
    if (!std::exchange(warned, true))
      logging::warning(
          "kfac: got no Linear layer whose weight is a parameter, so gradients stay as they are. "
          "Hint: backward() runs in the closure, and linear(x, weight, bias) on the weight itself");
    return 0;
  }
  if (pass.columns == 0)
    fail<ValueError>("kfac",
                     "got a loss whose Fisher matrix is not known, expected mse_loss, "
                     "bce_with_logits or cross_entropy of some rows, with targets of the outputs' "
                     "type, without weights, smoothing or Reduction::none");
  return pass.columns;
}

void Kfac::check_pairs(const State& factors) {
  for (const auto& [name, value] : factors) {
    if (!name.starts_with("a/") && !name.starts_with("s/"))
      fail<StateError>("kfac", "got a factor '", name,
                       "', expected names that begin with a/ or s/");
    const std::string other = (name.starts_with("a/") ? "s/" : "a/") + name.substr(2);
    if (!factors.contains(other))
      fail<StateError>("kfac", "got the factor '", name, "' without '", other,
                       "', expected both. Hint: the closure runs the same layers at each call");
  }
}

void Kfac::begin(std::int64_t t) {
  due = updates == 0 || std::fmod(static_cast<double>(t), std::floor(frequency(t))) == 0;
  non_finite = false;
  fresh.clear();
}

void Kfac::gather(const Parameters& all, const Pass& pass) {
  const auto add = [this](const std::string& name, const Tensor& more) {
    Tensor& total = fresh[name];
    total = total.defined() ? total + more : more;
  };
  for (const Pass::Layer& layer : pass.layers) {
    const auto weight = index_of(all, layer.weight), bias = index_of(all, layer.bias);
    if (!weight || layer.input.size(0) == 0) continue;
    const std::string name = layer_name(all, *weight, bias);
    const Tensor g = layer.by_output.detach().to(kFloat64);
    add("s/" + name, matmul(g.t(), g));
    if (pass.column > 0) continue;
    Tensor h = layer.input.detach().to(kFloat64);
    if (bias) h = cat({h, ones({h.size(0), 1}, kFloat64)}, 1);
    add("a/" + name, matmul(h.t(), h));
    add("rows/" + name, tensor(static_cast<double>(h.size(0)), kFloat64));
  }
}

void Kfac::end(std::int64_t t) {
  if (!due || fresh.empty()) return;
  State next = factors;
  const double k = static_cast<double>(updates + 1), keep = std::fmin(1 - 1 / k, decay(t));
  for (auto& [name, value] : fresh) {
    if (name.starts_with("rows/")) continue;
    Tensor& old = next[name];
    const Tensor now =
        name.starts_with("a/") ? value / fresh.at("rows/" + name.substr(2)).item() : value;
    non_finite = non_finite || !kernel::all_finite(now);
    const bool goes_on = old.defined() && old.shape() == now.shape();
    old = goes_on ? old * keep + now * (1 - keep) : now;
  }
  fresh.clear();
  if (non_finite) return;  // apply() says so
  check_pairs(next);
  factors = std::move(next);
  ++updates;
}

const Kfac::Inverse& Kfac::inverse(const std::string& name, const Tensor& a, const Tensor& s,
                                   double lambda) {
  Inverse& made = inverses[name];
  if (made.damping == lambda && made.a.is_same(a) && made.s.is_same(s)) return made;
  const double ratio = std::sqrt(mean_of_diagonal(a) / mean_of_diagonal(s));
  const double pi = ratio > 0 && std::isfinite(ratio) ? ratio : 1, root = std::sqrt(lambda);
  try {
    made = {a, s, lambda, inverse_of(s, root / pi), inverse_of(a, pi * root)};
  } catch (const ValueError&) {
    fail<ValueError>("kfac", "got damping = ", lambda, ", with which the factors of '", name,
                     "' are singular, expected more. Hint: 1e-3, or inputs of about 1");
  }
  return made;
}

void Kfac::apply(Update& u) {
  if (non_finite) u.report_non_finite();
  const Parameters& all = u.parameters();
  const auto factor = [&](const std::string& name, std::int64_t n) {
    const Tensor& f = factors.at(name);
    if (!(f.shape() == Shape{n, n}) || f.dtype() != kFloat64 || !kernel::all_finite(f) ||
        min(diag(f)).item() < 0)
      fail<StateError>("kfac", "got a factor '", name, "' of ", f.dtype(), f.shape(),
                       ", expected finite numbers of float64", Shape{n, n},
                       ", none below 0 on the diagonal. Hint: the state is that of another model");
    return f;
  };
  std::vector<Block> blocks;
  double length = 0;
  std::vector<bool> taken(all.size(), false);
  const auto take = [&](const std::string& name, std::size_t i, std::optional<std::size_t> bias) {
    const Tensor w = u.weight(i);
    if (!u.gradient(i).defined() || taken[i] || (bias && taken[*bias])) return;
    if (w.dim() != 2 || (bias && !(u.weight(*bias).shape() == Shape{w.size(0)})))
      fail<StateError>("kfac", "got factors of '", name,
                       "', expected a weight (out, in) and a bias ",
                       "(out). Hint: the state is that of another model");
    const Tensor a = factor("a/" + name, w.size(1) + (bias ? 1 : 0)),
                 s = factor("s/" + name, w.size(0));
    Block block{i, bias, columns_of_gradient(u, i), {}};
    if (bias) block.g = cat({block.g, columns_of_gradient(u, *bias)}, 1);
    const Inverse& by = inverse(name, a, s, damping(u.step()));
    block.step = matmul(matmul(by.left, block.g), by.right);
    const Tensor along = block.step * block.g;
    const auto add = [&](std::size_t parameter, const Tensor& part) {
      length += std::pow(u.rate(parameter), 2) * sum(part).item();
      taken[parameter] = true;
    };
    add(i, along.narrow(1, 0, w.size(1)));
    if (bias) add(*bias, along.narrow(1, w.size(1), 1));
    blocks.push_back(std::move(block));
  };
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < all.size(); ++i) index[all[i].name] = i;
  for (const auto& [key, value] : factors) {
    const std::string name = key.substr(2);
    if (const auto weight = index.find(name); weight != index.end())
      take(name, weight->second, {});
    else if (const auto pair = weight_and_bias(index, name))
      take(name, pair->first, pair->second);
  }
  // Rounding may make a length of large gradients negative.
  const double share = std::sqrt(kl_clip(u.step()) / std::fabs(length)),
               clip = share < 1 ? share : 1;
  for (const Block& block : blocks) {
    const Tensor w = u.weight(block.weight), step = (block.step * clip).to(w.dtype());
    u.set_gradient(block.weight, step.narrow(1, 0, w.size(1)).contiguous());
    if (block.bias && u.gradient(*block.bias).defined())
      u.set_gradient(*block.bias, step.narrow(1, w.size(1), 1).squeeze(1).contiguous());
  }
  u.inner();
}

}  // namespace descent::optim
