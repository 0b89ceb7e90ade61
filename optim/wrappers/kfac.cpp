#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/optim/wrappers/kfac.h>

#include <cmath>

namespace descent::optim {

namespace {

using Pass = descent::detail::FisherPass;

/// The number of the parameter that is this tensor; none for a tensor that is no parameter.
std::optional<std::size_t> index_of(const Parameters& all, const Tensor& t) {
  for (std::size_t i = 0; t.defined() && i < all.size(); ++i)
    if (all[i].value.is_same(t)) return i;
  return {};
}

double mean_of_diagonal(const Tensor& a) {
  return sum(diag(a)).item() / static_cast<double>(a.size(0));
}
Tensor damped(const Tensor& a, double by) { return a + eye(a.size(0), kFloat64) * by; }

/// (S + √λ/π·I)⁻¹·G·(A + π√λ·I)⁻¹.
Tensor preconditioned(const Tensor& g, const Tensor& a, const Tensor& s, double damping) {
  const double ratio = std::sqrt(mean_of_diagonal(a) / mean_of_diagonal(s));
  const double pi = ratio > 0 && std::isfinite(ratio) ? ratio : 1, root = std::sqrt(damping);
  const Tensor left = kernel::solve(damped(s, root / pi), g);
  return kernel::solve(damped(a, pi * root), left.t()).t();
}

/// A layer's gradient [G_W G_b] in double.
struct Block {
  std::size_t weight;
  std::optional<std::size_t> bias;
  Tensor g;
};

}  // namespace

std::int64_t Kfac::columns_of(const Pass& pass) {
  if (pass.columns == 0)
    fail<ValueError>("kfac",
                     "got a loss whose Fisher matrix is not known, expected mse_loss, "
                     "bce_with_logits or cross_entropy without weights, smoothing or "
                     "Reduction::none. Hint: noise, clip_norm and the like go with any loss");
  return pass.columns;
}

void Kfac::begin(const Parameters& all, std::int64_t t) {
  due = std::fmod(static_cast<double>(t), std::floor(frequency(t))) == 0;
  fresh.clear();
  kept.clear();
  for (const Parameter& p : all)
    kept.push_back(p.value.grad().defined() ? p.value.grad().clone() : Tensor());
}

void Kfac::gather(const Parameters& all, const Pass& pass) {
  const auto add = [this](const std::string& name, const Tensor& more) {
    Tensor& total = fresh[name];
    total = total.defined() ? total + more : more;
  };
  for (const Pass::Layer& layer : pass.layers) {
    const auto weight = index_of(all, layer.weight), bias = index_of(all, layer.bias);
    if (!weight) continue;
    const std::string& name = all[*weight].name;
    const Tensor g = layer.by_output.detach().to(kFloat64);
    add("s/" + name, matmul(g.t(), g));
    if (pass.column > 0) continue;
    Tensor h = layer.input.detach().to(kFloat64);
    if (bias) {
      h = cat({h, ones({h.size(0), 1}, kFloat64)}, 1);
      fresh["bias/" + name] = tensor(static_cast<std::int64_t>(*bias));
    }
    add("a/" + name, matmul(h.t(), h));
    add("rows/" + name, tensor(static_cast<double>(h.size(0)), kFloat64));
  }
}

void Kfac::end(const Parameters& all, std::int64_t t) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (const Tensor g = all[i].value.grad(); g.defined() && kept[i].defined())
      write_weight(g, kept[i]);
  kept.clear();
  if (!due || fresh.empty()) return;
  State next = factors;
  const double k = static_cast<double>(updates + 1), keep = std::fmin(1 - 1 / k, decay(t));
  for (auto& [name, value] : fresh) {
    if (name.starts_with("rows/")) continue;
    Tensor& old = next[name];
    if (name.starts_with("bias/")) {
      old = value;
      continue;
    }
    const Tensor now =
        name.starts_with("a/") ? value / fresh.at("rows/" + name.substr(2)).item() : value;
    if (!kernel::all_finite(now)) return fresh.clear();  // the loss is not finite: the step says so
    if (old.defined() && !(old.shape() == now.shape()))
      fail<StateError>("kfac", "got a factor '", name, "' of shape ", old.shape(), ", expected ",
                       now.shape(), ". Hint: the state is that of another model");
    old = old.defined() ? old * keep + now * (1 - keep) : now;
  }
  fresh.clear();
  factors = std::move(next);
  ++updates;
}

void Kfac::apply(Update& u) {
  std::vector<Block> blocks;
  double length = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    const std::string& name = u.parameters()[i].name;
    const auto a = factors.find("a/" + name), s = factors.find("s/" + name),
               b = factors.find("bias/" + name);
    const Tensor g = u.gradient(i);
    if (a == factors.end() || s == factors.end() || !g.defined()) continue;
    Block block{i, {}, g.to(kFloat64)};
    if (b != factors.end()) {
      block.bias = static_cast<std::size_t>(b->second.item());
      const Tensor by_bias = *block.bias < u.size() ? u.gradient(*block.bias) : Tensor();
      block.g = cat({block.g, by_bias.defined() ? by_bias.to(kFloat64).unsqueeze(1)
                                                : zeros({g.size(0), 1}, kFloat64)},
                    1);
    }
    const Tensor step = preconditioned(block.g, a->second, s->second, damping(u.step()));
    const Tensor along = sum(step * block.g, {0});
    const double rate = u.rate(i);
    length += rate * rate * sum(along).item();
    block.g = step;
    blocks.push_back(std::move(block));
  }
  const double share = std::sqrt(kl_clip(u.step()) / length), clip = share < 1 ? share : 1;
  for (const Block& block : blocks) {
    const Tensor w = u.weight(block.weight), step = block.g * clip;
    u.set_gradient(block.weight, step.narrow(1, 0, w.size(1)).to(w.dtype()).contiguous());
    if (block.bias && u.gradient(*block.bias).defined())
      u.set_gradient(*block.bias,
                     step.narrow(1, w.size(1), 1).squeeze(1).to(w.dtype()).contiguous());
  }
  u.inner();
}

}  // namespace descent::optim
