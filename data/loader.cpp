#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/core/text.h>
#include <descent/core/thread_state.h>
#include <descent/data/loader.h>

#include <algorithm>
#include <future>
#include <utility>

namespace descent::data {

namespace {

constexpr std::int64_t kMostEpochs = std::int64_t{1} << 53;
constexpr std::uint64_t kOfTransforms = std::uint64_t{1} << 62;  // streams of transforms begin here

/// While it lives, the thread's default generator goes on from `state`.
class DrawFrom {
 public:
  explicit DrawFrom(const Generator::State& state) : before_(default_generator().state()) {
    default_generator().set_state(state);
  }
  ~DrawFrom() { default_generator().set_state(before_); }
  DrawFrom(const DrawFrom&) = delete;
  DrawFrom& operator=(const DrawFrom&) = delete;

 private:
  Generator::State before_;
};

std::string shape_of(const Tensor& t) { return t.defined() ? to_text(t.shape()) : "undefined"; }

}  // namespace

struct DataLoader::Ahead {
  const DataLoader* loader;  // a copy of a loader prepares its own
  std::int64_t epoch, batch;
  std::future<Batch> made;
};

DataLoader::DataLoader(Tensor x, Tensor y, LoaderOptions options)
    : source_(
          std::make_shared<const Source>(Source{std::move(x), std::move(y), std::move(options)})) {
  const auto& [inputs, targets, o] = *source_;
  if (o.batch_size < 1)
    fail<ValueError>("DataLoader", "got batch_size = ", o.batch_size, ", expected 1 or more");
  if (inputs.dim() < 1 || targets.dim() < 1 || inputs.size(0) != targets.size(0))
    fail<ShapeError>("DataLoader", "got x ", inputs.shape(), " and y ", targets.shape(),
                     ", expected as many rows");
  if (batches() < 1)
    fail<ValueError>("DataLoader", "got ", inputs.size(0), " samples for batches of ", o.batch_size,
                     o.drop_last ? ", dropping the last" : "", ", expected at least one batch");
  used_ = batches();
}

std::int64_t DataLoader::batches() const {
  const std::int64_t n = source_->x.size(0), b = source_->options.batch_size;
  return source_->options.drop_last ? n / b : n / b + (n % b != 0);
}

DataLoader::Iterator DataLoader::begin() {
  if (!std::exchange(resumed_, false)) {
    ++epoch_;
    used_ = 0;
  }
  if (!source_->options.shuffle) return {this, Tensor(), epoch_, used_};
  // split() draws from stream 1.
  Generator generator(source_->options.seed, static_cast<std::uint64_t>(epoch_) + 1);
  return {this, randperm(source_->x.size(0), generator), epoch_, used_};
}

Batch DataLoader::Source::prepare(const Tensor& order, std::int64_t epoch,
                                  std::int64_t batch) const {
  const std::int64_t first = batch * options.batch_size, n = x.size(0);
  const std::int64_t last = first + std::min(options.batch_size, n - first);
  const auto rows = [&](const Tensor& t) {
    return order.defined() ? t.index_select(0, order.slice(0, first, last))
                           : t.slice(0, first, last).clone();
  };
  Batch made{rows(x), rows(y)};
  if (!options.transform) return made;
  const DrawFrom draw({.seed = options.seed,
                       .stream = kOfTransforms + static_cast<std::uint64_t>(epoch),
                       .counter = static_cast<std::uint64_t>(batch) << 32});
  made = options.transform(std::move(made));
  if (!made.x.defined() || !made.y.defined() || made.x.dim() < 1 || made.y.dim() < 1 ||
      made.x.size(0) != made.y.size(0))
    fail<ShapeError>("DataLoader", "got x ", shape_of(made.x), " and y ", shape_of(made.y),
                     " from the transform, expected as many rows");
  return made;
}

Batch DataLoader::Iterator::operator*() const {
  DataLoader& loader = *loader_;
  if (batch_ < 0 || batch_ >= loader.batches())
    fail<ValueError>("DataLoader", "got an iterator at batch ", batch_, " of ", loader.batches(),
                     ", expected one before the end");
  // The transform runs for one batch at a time: what is under way ends before anything begins.
  const std::shared_ptr<Ahead> ahead = std::exchange(loader.ahead_, nullptr);
  if (ahead && ahead->made.valid()) ahead->made.wait();
  const bool is_this = ahead && ahead->made.valid() && ahead->loader == loader_ &&
                       ahead->epoch == epoch_ && ahead->batch == batch_;
  Batch batch = is_this ? ahead->made.get() : loader.source_->prepare(order_, epoch_, batch_);
  loader.used_ = batch_ + 1;
  if (loader.source_->options.prefetch && batch_ + 1 < loader.batches()) {
    const auto prepare = [source = loader.source_, order = order_, epoch = epoch_,
                          next = batch_ + 1, record = grad_enabled()] {
      manual_seed(0);  // or the thread would count as one that draws
      const descent::detail::GradModeGuard mode(record);
      return source->prepare(order, epoch, next);
    };
    loader.ahead_ = std::make_shared<Ahead>(
        Ahead{loader_, epoch_, batch_ + 1, std::async(std::launch::async, prepare)});
  }
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
          {"samples", number(source_->x.size(0))},
          {"batch_size", number(source_->options.batch_size)},
          {"seed", number(source_->options.seed)},
          {"shuffle", number(source_->options.shuffle)},
          {"drop_last", number(source_->options.drop_last)}};
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
