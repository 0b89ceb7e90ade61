#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/kfac.h>
#include <descent/nn/passed.h>

namespace descent::nn {

namespace {

/// (h, 1) for each row h of x.
Tensor with_ones(const Tensor& x) { return cat({x, ones({x.size(0), 1}, x.dtype())}, 1); }

std::vector<Tensor> gradients(const Tensor& z, const std::vector<detail::Passed>& passed,
                              const Tensor& by_z) {
  std::vector<Tensor> outputs;
  for (const detail::Passed& p : passed) outputs.push_back(p.output);
  return grad({z}, outputs, {by_z}, {.retain_graph = true});
}

}  // namespace

Kfac::Kfac(Module& model, const Tensor& x, const std::function<Tensor(const Tensor& z)>& loss) {
  if (!detail::treats_rows_alone(model))
    fail<ValueError>("kfac",
                     "got a model with other modules, expected a Sequential of Linear layers "
                     "and activations. Hint: curvature::gauss_newton() takes any model");
  if (x.dim() != 2 || x.size(0) == 0)
    fail<ShapeError>("kfac", "got x ", x.shape(), ", expected (N, in) of one sample or more");
  const EnableGradGuard record;
  std::vector<detail::Passed> passed;
  const Tensor z = detail::pass(model, x.detach(), passed);
  if (passed.empty()) fail<ValueError>("kfac", "got a model without Linear layers, expected some");
  const Tensor at = z.detach().requires_grad_(), value = loss(at);
  if (!value.defined() || value.numel() != 1)
    fail<ShapeError>("kfac", "got a loss of shape ",
                     value.defined() ? to_text(value.shape()) : "none",
                     ", expected one element. Hint: mean()");

  for (const detail::Passed& p : passed) {
    const Tensor h = p.layer->bias.defined() ? with_ones(p.input) : p.input;
    factors_.push_back({matmul(h.t(), h) / static_cast<double>(h.size(0)),
                        zeros({p.output.size(1), p.output.size(1)}, z.dtype())});
  }
  const Tensor slope = grad({value}, {at}, {}, {.create_graph = true, .allow_unused = true})[0];
  for (std::int64_t c = 0; slope.defined() && slope.requires_grad() && c < z.size(1); ++c) {
    // The c-th row of each sample's Hessian H by z. JᵀHJ is the sum over c of (Jᵀ·H·e_c)(Jᵀ·e_c)ᵀ.
    const Tensor bent = grad({slope.narrow(1, c, 1).sum()}, {at}, {},
                             {.retain_graph = true, .allow_unused = true})[0];
    if (!bent.defined()) continue;
    const Tensor unit = zeros_like(z);
    {
      const NoGradGuard no_grad;
      unit.narrow(1, c, 1).fill_(1);
    }
    const std::vector<Tensor> left = gradients(z, passed, bent), right = gradients(z, passed, unit);
    const NoGradGuard no_grad;
    for (std::size_t i = 0; i < passed.size(); ++i)
      factors_[i].g = factors_[i].g + matmul(left[i].t(), right[i]);
  }
  dtype_ = z.dtype();
  place(model, passed);
}

/// Finds where each layer begins among the n weights.
void Kfac::place(const Module& model, const std::vector<detail::Passed>& passed) {
  begins_.assign(passed.size(), -1);
  for (const detail::Passed& p : passed) biased_.push_back(p.layer->bias.defined());
  for (const Parameter& p : model.parameters()) {
    if (!p.value.requires_grad()) continue;
    int uses = 0;
    for (std::size_t i = 0; i < passed.size(); ++i) {
      const Linear& layer = *passed[i].layer;
      if (!p.value.is_same(layer.weight) && !p.value.is_same(layer.bias)) continue;
      ++uses;
      if (begins_[i] < 0) begins_[i] = n_;  // the bias follows the weight
      if (biased_[i] && layer.weight.requires_grad() != layer.bias.requires_grad())
        fail<ValueError>("kfac", "got a layer with '", p.name,
                         "' trained and the rest frozen, expected one or the other");
    }
    if (uses > 1) fail<ValueError>("kfac", "got '", p.name, "' in ", uses, " layers, expected one");
    n_ += p.value.numel();
  }
}

/// The operator that replaces the weights [W b] of each layer by block(layer, [W b]).
curvature::Operator Kfac::with(
    std::function<Tensor(std::size_t layer, const Tensor& w)> block) const {
  return {n_, dtype_,
          [begins = begins_, biased = biased_, factors = factors_,
           block = std::move(block)](const Tensor& v) {
            const NoGradGuard no_grad;
            std::vector<Tensor> parts;
            for (std::size_t i = 0; i < begins.size(); ++i) {
              if (begins[i] < 0) continue;
              const std::int64_t out = factors[i].g.size(0),
                                 in = factors[i].a.size(0) - (biased[i] ? 1 : 0);
              const Tensor w = v.narrow(0, begins[i], out * in).reshape({out, in});
              if (!biased[i]) {
                parts.push_back(block(i, w).flatten());
                continue;
              }
              const Tensor bias = v.narrow(0, begins[i] + out * in, out).reshape({out, 1}),
                           y = block(i, cat({w, bias}, 1));
              parts.push_back(y.narrow(1, 0, in).flatten());
              parts.push_back(y.narrow(1, in, 1).flatten());
            }
            return parts.empty() ? v : cat(parts);
          }};
}

curvature::Operator Kfac::matrix() const {
  return with([factors = factors_](std::size_t i, const Tensor& w) {
    return matmul(matmul(factors[i].g, w), factors[i].a);
  });
}

curvature::Operator Kfac::inverse(double damping) const {
  if (!(damping > 0)) fail<ValueError>("kfac", "got damping = ", damping, ", expected above 0");
  struct Block {
    Tensor a, g, scale;  // eigenvectors, one a column, and 1/(λ of G · λ of A + damping)
  };
  std::vector<Block> blocks;
  for (const KroneckerFactors& f : factors_) {
    const auto [by_a, a] = eigh(f.a);
    const auto [by_g, g] = eigh(f.g);
    blocks.push_back({a, g, 1 / (by_g.unsqueeze(1) * by_a.unsqueeze(0) + damping)});
  }
  return with([blocks = std::move(blocks)](std::size_t i, const Tensor& w) {
    const auto& [a, g, scale] = blocks[i];
    return matmul(matmul(g, matmul(matmul(g.t(), w), a) * scale), a.t());
  });
}

}  // namespace descent::nn
