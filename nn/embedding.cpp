#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/nn/embedding.h>
#include <descent/nn/extent.h>
#include <descent/nn/init.h>

namespace descent::nn {

Embedding::Embedding(std::int64_t count, std::int64_t dim)
    : Module(to_text("Embedding ", count, " x ", dim)) {
  detail::positive("Embedding", "count", count);
  detail::positive("Embedding", "dim", dim);
  weight = register_parameter("weight", empty({count, dim}));
  init::normal_(weight);
}

Tensor Embedding::forward(const Tensor& index) {
  if (index.dtype() != kInt64)
    fail<DTypeError>("embedding", "got indices of dtype ", index.dtype(), ", expected int64");
  Shape shape = index.shape();
  shape.push_back(weight.size(1));
  return index_select(weight, 0, index.reshape({-1})).reshape(shape);
}

}  // namespace descent::nn
