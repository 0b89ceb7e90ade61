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

EmbeddedColumns::EmbeddedColumns(std::vector<EmbeddedColumn> columns)
    : Module(to_text("EmbeddedColumns ", columns.size())), columns_(std::move(columns)) {
  std::int64_t last = -1;
  for (const EmbeddedColumn& c : columns_) {
    if (c.place <= std::exchange(last, c.place))
      fail<ValueError>("EmbeddedColumns", "got the place ", c.place, ", expected places that rise");
    tables_.push_back(register_module(std::to_string(tables_.size()), Embedding(c.count, c.dim)));
    init::normal_(tables_.back().weight, 0, 0.1);
  }
}

Tensor EmbeddedColumns::forward(const Tensor& x) {
  if (x.dim() != 2 || (!columns_.empty() && columns_.back().place >= x.size(1)))
    fail<ShapeError>("EmbeddedColumns", "got ", x.shape(), ", expected (N, D) with the column ",
                     columns_.empty() ? 0 : columns_.back().place);
  std::vector<Tensor> parts;
  std::int64_t from = 0;
  for (const EmbeddedColumn& c : columns_) {
    if (c.place > from) parts.push_back(x.narrow(1, from, c.place - from));
    from = c.place + 1;
  }
  if (x.size(1) > from) parts.push_back(x.narrow(1, from, x.size(1) - from));
  for (std::size_t i = 0; i < columns_.size(); ++i)
    parts.push_back(tables_[i](x.select(1, columns_[i].place).to(kInt64)));
  return cat(parts, 1);
}

}  // namespace descent::nn
