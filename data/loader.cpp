#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/data/loader.h>

#include <algorithm>
#include <utility>

namespace descent::data {

namespace {
constexpr std::int64_t kMostEpochs = std::int64_t{1} << 53;
}

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
  used_ = batches();
}

std::int64_t DataLoader::batches() const {
  const std::int64_t n = x_.size(0), b = options_.batch_size;
  return options_.drop_last ? n / b : n / b + (n % b != 0);
}

DataLoader::Iterator DataLoader::begin() {
  if (!std::exchange(resumed_, false)) {
    ++epoch_;
    used_ = 0;
  }
  if (!options_.shuffle) return {this, Tensor(), used_};
  // split() draws from stream 1.
  Generator generator(options_.seed, static_cast<std::uint64_t>(epoch_) + 1);
  return {this, randperm(x_.size(0), generator), used_};
}

Batch DataLoader::Iterator::operator*() const {
  if (batch_ < 0 || batch_ >= loader_->batches())
    fail<ValueError>("DataLoader", "got an iterator at batch ", batch_, " of ", loader_->batches(),
                     ", expected one before the end");
  const std::int64_t first = batch_ * loader_->options_.batch_size;
  const std::int64_t n = loader_->x_.size(0);
  const std::int64_t last = first + std::min(loader_->options_.batch_size, n - first);
  const auto rows = [&](const Tensor& t) {
    return order_.defined() ? t.index_select(0, order_.slice(0, first, last))
                            : t.slice(0, first, last).clone();
  };
  Batch batch{rows(loader_->x_), rows(loader_->y_)};
  if (const auto& transform = loader_->options_.transform) batch = transform(std::move(batch));
  loader_->used_ = batch_ + 1;
  return batch;
}

void DataLoader::set_epoch(std::int64_t epoch) {
  if (epoch < 0 || epoch > kMostEpochs)
    fail<ValueError>("set_epoch", "got ", epoch, ", expected a number from 0 to 2^53");
  epoch_ = epoch;
  used_ = batches();
  resumed_ = false;
}

std::map<std::string, Tensor> DataLoader::state_dict() const {
  const auto number = [](auto n) { return full({}, static_cast<std::int64_t>(n), kInt64); };
  return {{"epoch", number(epoch_)},
          {"used", number(used_)},
          {"samples", number(x_.size(0))},
          {"batch_size", number(options_.batch_size)},
          {"seed", number(options_.seed)},
          {"shuffle", number(options_.shuffle)},
          {"drop_last", number(options_.drop_last)}};
}

void DataLoader::load_state_dict(const std::map<std::string, Tensor>& state) {
  std::map<std::string, Tensor> own = state_dict();
  std::int64_t epoch = epoch_, used = used_;
  for (const auto& [name, t] : own) {
    const auto at = state.find(name);
    if (at == state.end() || at->second.dtype() != kInt64 || at->second.dim() != 0)
      fail<StateError>("DataLoader", "got a state without the number '", name, "', expected one");
    const auto mine = t.item<std::int64_t>(), saved = at->second.item<std::int64_t>();
    if (name == "epoch")
      epoch = saved;
    else if (name == "used")
      used = saved;
    else if (mine != saved)
      fail<StateError>("DataLoader", "got ", name, " = ", mine, ", expected ", saved,
                       " as in the state. Hint: the data or the options differ");
  }
  if (state.size() != own.size() || epoch < 0 || epoch > kMostEpochs || used < 0 ||
      used > batches() || (epoch == 0 && used < batches()))
    fail<StateError>("DataLoader", "got a state of ", state.size(),
                     " numbers, with epoch = ", epoch, " and used = ", used, ", expected ",
                     own.size(), " numbers, and at most ", batches(), " batches used");
  epoch_ = epoch;
  used_ = used;
  resumed_ = used < batches();
}

}  // namespace descent::data
