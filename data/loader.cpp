#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/data/loader.h>

#include <algorithm>

namespace descent::data {

DataLoader::DataLoader(Tensor x, Tensor y, LoaderOptions options)
    : x_(std::move(x)), y_(std::move(y)), options_(options) {
  if (options.batch_size < 1)
    fail<ValueError>("DataLoader", "got batch_size = ", options.batch_size, ", expected 1 or more");
  if (x_.dim() < 1 || y_.dim() < 1 || x_.size(0) != y_.size(0))
    fail<ShapeError>("DataLoader", "got x ", x_.shape(), " and y ", y_.shape(),
                     ", expected as many rows");
  if (batches() < 1)
    fail<ValueError>("DataLoader", "got ", x_.size(0), " samples for batches of ",
                     options.batch_size, options.drop_last ? ", dropping the last" : "",
                     ", expected at least one batch");
}

std::int64_t DataLoader::batches() const {
  const std::int64_t n = x_.size(0), b = options_.batch_size;
  return options_.drop_last ? n / b : n / b + (n % b != 0);
}

DataLoader::Iterator DataLoader::begin() {
  const auto stream = static_cast<std::uint64_t>(epoch_++) + 2;  // split() draws from stream 1
  if (!options_.shuffle) return {this, Tensor(), 0};
  Generator generator(options_.seed, stream);
  return {this, randperm(x_.size(0), generator), 0};
}

Batch DataLoader::Iterator::operator*() const {
  const std::int64_t first = batch_ * loader_->options_.batch_size;
  const std::int64_t n = loader_->x_.size(0);
  const std::int64_t last = first + std::min(loader_->options_.batch_size, n - first);
  if (!order_.defined())
    return {loader_->x_.slice(0, first, last).clone(), loader_->y_.slice(0, first, last).clone()};
  const Tensor index = order_.slice(0, first, last);
  return {loader_->x_.index_select(0, index), loader_->y_.index_select(0, index)};
}

}  // namespace descent::data
