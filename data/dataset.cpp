#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/data/dataset.h>

namespace descent::data {

Dataset Dataset::subset(const Tensor& index) const {
  return {name, x.index_select(0, index), y.index_select(0, index), features, classes};
}

std::pair<Tensor, Tensor> split_rows(std::int64_t n, double fraction, std::uint64_t seed) {
  const auto first = static_cast<std::int64_t>(static_cast<double>(n) * fraction + 1e-9);
  if (!(fraction > 0 && fraction < 1) || first < 1 || first >= n)
    fail<ValueError>("split", "got fraction ", fraction, " of ", n,
                     " samples, expected one in (0, 1) that leaves samples on both sides");
  Generator generator(seed, 1);
  const Tensor order = randperm(n, generator);
  return {order.slice(0, 0, first), order.slice(0, first)};
}

Split split(const Dataset& all, double fraction, std::uint64_t seed) {
  const auto [train, test] = split_rows(all.size(), fraction, seed);
  return {all.subset(train), all.subset(test)};
}

Standardizer Standardizer::fit(const Tensor& x) {
  if (x.dim() != 2 || x.size(0) < 1)
    fail<ShapeError>("standardize", "got ", x.shape(),
                     ", expected (N, D) with at least one sample");
  const Tensor wide = x.to(kFloat64);
  Tensor deviation = wide.std({0}, 0);
  for (std::int64_t d = 0; d < deviation.numel(); ++d)
    if (!(deviation[d].item() > 1e-12)) deviation[d].fill_(1);
  return {wide.mean({0}).to(x.dtype()), deviation.to(x.dtype())};
}

Tensor Standardizer::apply(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != mean.numel())
    fail<ShapeError>("standardize", "got ", x.shape(), ", expected (N, ", mean.numel(),
                     ") as when it was fitted");
  return x.clone().sub_(mean).div_(std);
}

}  // namespace descent::data
