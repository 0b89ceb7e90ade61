// Products of matrices.
// Legend: B… batch dimensions, M, K, N the extents of a product.
#include <descent/autograd/fisher.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/gemm.h>
#include <descent/core/kernels/reduce.h>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::one_pass;
using detail::record;
using detail::Saved;

namespace {

/// (B…, M, K) · (B…, K, N). ∂/∂a = g·bᵀ, ∂/∂b = aᵀ·g; the engine sums over broadcast batches.
Tensor product(const Tensor& a, const Tensor& b) {
  return record("matmul", kernel::matmul(a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& g, Need need) {
                  return Grads(need[0] ? product(g, b->transpose(-1, -2)) : Tensor(),
                               need[1] ? product(a->transpose(-1, -2), g) : Tensor());
                });
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0)
    fail<ShapeError>("matmul", "got ", a.shape(), " and ", b.shape(),
                     ", expected vectors, matrices or batches. Hint: use * for a scalar");
  const std::int64_t inner = b.size(b.dim() == 1 ? 0 : -2);
  if (a.size(-1) != inner)
    fail<ShapeError>("matmul", "got ", a.shape(), " and ", b.shape(),
                     ", expected inner dimensions to agree (", a.size(-1), " != ", inner,
                     "). Hint: transpose one of them with .t()");
  if (a.dim() == 1 && b.dim() == 1) return sum(a * b);
  if (a.dim() == 1) return product(a.unsqueeze(0), b).squeeze(-2);
  if (b.dim() == 1) return product(a, b.unsqueeze(1)).squeeze(-1);
  // If b is one matrix, the batches of a count as more rows, in one product.
  if (a.dim() > 2 && b.dim() == 2) {
    Shape shape = a.shape();
    shape[shape.rank() - 1] = b.size(1);
    return product(a.flatten(0, -2), b).reshape(shape);
  }
  return product(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.dim() != 1 || b.dim() != 1)
    fail<ShapeError>("outer", "got ", a.shape(), " and ", b.shape(), ", expected two vectors");
  return a.unsqueeze(1) * b.unsqueeze(0);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  if (a.dim() != 1 || !(a.shape() == b.shape()))
    fail<ShapeError>("dot", "got ", a.shape(), " and ", b.shape(),
                     ", expected two vectors of equal length. Hint: use matmul()");
  return sum(a * b);
}

namespace {

/// Refuses what linear() cannot take. `layers` is K for a stack of layers, else −1.
void check_linear(const Tensor& x, const Tensor& w, const Tensor& bias, std::int64_t layers) {
  const Shape &in = x.shape(), &matrix = w.shape();
  const bool stacked = layers >= 0, is_weight = matrix.rank() == 2 || matrix.rank() == 3;
  const bool batches = !stacked || in.rank() < 3 || (in.rank() == 3 && in[0] == layers);
  const bool equal = is_weight && in.rank() > 0 && in[in.rank() - 1] == matrix[matrix.rank() - 1];
  if (!equal || !batches)
    fail<ShapeError>("linear", "got input ", in, " and weight ", matrix, ", expected input ",
                     stacked ? "(in), (N, in) or (K, N, in)" : "(…, in)", " and weight ",
                     !stacked             ? "(out, in)"
                     : matrix.rank() == 2 ? "(out, in) for a bias (K, out)"
                                          : "(K, out, in)",
                     is_weight && in.rank() > 0 && !equal
                         ? to_text(" with equal in (", x.size(-1), " != ", w.size(-1), ")")
                         : "",
                     stacked || !is_weight ? "" : ". Hint: images need flatten(1) first");
  if (bias.defined()) {
    const Shape& b = bias.shape();
    const std::int64_t out = matrix[matrix.rank() - 2];
    if (b.rank() < 1 || b.rank() > 2 || b[b.rank() - 1] != out || (b.rank() == 2 && b[0] != layers))
      fail<ShapeError>("linear", "got bias ", b, " for weight ", matrix, ", expected (",
                       stacked ? to_text(layers, ", ") : "", out, stacked ? ")" : ",)");
  }
  if (x.dtype() != w.dtype() || !is_floating(x.dtype()) ||
      (bias.defined() && bias.dtype() != w.dtype()))
    fail<DTypeError>("linear", "got input of ", x.dtype(), " and weight of ", w.dtype(),
                     ", expected one floating type. Hint: convert the input with .to(",
                     is_floating(w.dtype()) ? w.dtype() : kFloat32, ") or the module with to()");
}

}  // namespace

Tensor linear_activation(const Tensor& x, const Tensor& w, const Tensor& bias,
                         Activation activation) {
  const bool many_biases = bias.defined() && bias.shape().rank() == 2;
  const bool stacked = w.shape().rank() == 3 || many_biases;
  const std::int64_t layers = !stacked ? -1 : w.dim() == 3 ? w.size(0) : bias.size(0);
  check_linear(x, w, bias, layers);
  if (stacked && x.dim() == 1)
    return linear_activation(x.unsqueeze(0), w, bias, activation).squeeze(-2);
  if (stacked && w.dim() == 2)
    return linear_activation(x, w.expand({layers, w.size(0), w.size(1)}), bias, activation);
  if (stacked && bias.defined() && !many_biases)
    return linear_activation(x, w, bias.expand({layers, bias.size(0)}), activation);
  if (!stacked && x.dim() != 2) {
    Shape shape = x.shape();
    shape[shape.rank() - 1] = w.size(0);
    return linear_activation(x.dim() == 1 ? x.unsqueeze(0) : x.flatten(0, -2), w, bias, activation)
        .reshape(shape);
  }
  // The gradient of w lies in memory as w does; a Linear layer's as (in, out), where it is xᵀ·g. If
  // K layers share x, the engine sums over them.
  const auto rule = [x = Saved(x), w = Saved(w), bias = Saved(bias), activation](
                        const Tensor& by_y, const Tensor& y, Need need) {
    if (detail::FisherPass* pass = detail::fisher_pass(); pass && w->dim() == 2)
      pass->layers.push_back({w, bias, x, activation_grad(activation, by_y, y)});
    if (one_pass()) {
      kernel::AffineGrads d =
          kernel::affine_grad(by_y, y, x, w, activation, need[0], need[1], need[2]);
      return Grads(std::move(d.x), std::move(d.w), std::move(d.bias));
    }
    const Tensor g = activation_grad(activation, by_y, y);
    return Grads(need[0] ? matmul(g, w) : Tensor(),
                 need[1] ? matmul(x->transpose(-1, -2), g).transpose(-1, -2) : Tensor(),
                 need[2] ? sum(g, {-2}) : Tensor());
  };
  Tensor value = kernel::affine(x, w, bias, activation);
  if (activation != Activation::none) return record("linear", std::move(value), {x, w, bias}, rule);
  return record("linear", std::move(value), {x, w, bias},
                [rule](const Tensor& g, Need need) { return rule(g, {}, need); });
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  return linear_activation(x, w, bias, Activation::none);
}

}  // namespace descent
