#include <descent/autograd/fisher.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>

#include <algorithm>

namespace descent::detail {

bool FisherPass::owns(const GradEdge& leaf) const {
  return std::ranges::any_of(parameters,
                             [&](const Parameter& p) { return node_of(p.value) == &leaf; });
}

void FisherPass::meet(const char* loss, const Tensor& z) {
  if (z.dim() < 1 || z.dim() > 2)
    fail<ValueError>("kfac", "got ", loss, " of outputs ", z.shape(),
                     ", expected (N, C), or (N) of one output a row. Hint: a row for each sample");
  if (columns > 0)
    fail<ValueError>("kfac", "got ", loss,
                     " as a second loss, expected one in a step. Hint: cat() the outputs of one "
                     "model for one loss; train another model with an optimizer of its own");
  columns = z.dim() == 1 ? 1 : z.size(1);
}

Tensor FisherPass::of_diagonal(const char* loss, const Tensor& root) {
  meet(loss, root);
  if (root.dim() == 1) return root;
  return root * (arange(columns) == Scalar(column)).to(root.dtype());
}

Tensor FisherPass::of_softmax(const char* loss, const Tensor& p, const Tensor& share,
                              const Tensor& ignored) {
  meet(loss, p);
  const Tensor unit = (arange(columns) == Scalar(column)).to(p.dtype());
  const Tensor b = sqrt(p.narrow(1, column, 1) * share) * (unit - p);
  return where(ignored.unsqueeze(1), 0.0, b);
}

}  // namespace descent::detail
