#include <descent/autograd/ops.h>
#include <descent/core/checkpoint.h>
#include <descent/core/create.h>
#include <descent/core/log.h>
#include <descent/data/trainer.h>
#include <descent/nn/batch_norm.h>
#include <descent/nn/loss.h>
#include <descent/nn/metrics.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>

namespace descent {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Classes are int64; a data set of one's own may lack their names.
bool has_classes(const data::Dataset& d) { return d.y.dtype() == kInt64; }

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool has_batch_norm(const nn::Module& model) {
  const Parameters buffers = model.buffers();
  return std::any_of(buffers.begin(), buffers.end(),
                     [](const Parameter& b) { return b.name.ends_with("running_mean"); });
}

/// A batch of one row has no variance. An incomplete last batch could have one row, so batch
/// normalisation goes without incomplete batches.
bool drops_last(const nn::Module& model, const data::Dataset& train,
                const TrainerOptions& options) {
  return has_batch_norm(model) && train.size() > options.batch_size;
}

data::DataLoader loader_of(const data::Dataset& train, const TrainerOptions& options,
                           bool drop_last) {
  if (const Tensor& w = options.weight; w.defined() && (w.dim() != 1 || w.size(0) != train.size()))
    fail<ShapeError>("Trainer", "got weights ", w.shape(), ", expected one for each of ",
                     train.size(), " samples");
  const bool weighted = options.weight.defined();
  if (weighted && !all(isfinite(options.weight) & (options.weight >= 0)).item<bool>())
    fail<ValueError>("Trainer", "got a weight that is negative or not finite, expected 0 or more");
  Tensor x = train.x;
  if (weighted) x = cat({x, options.weight.to(x.dtype()).reshape({-1, 1})}, 1);
  return {
      x, train.y, {.batch_size = options.batch_size, .seed = options.seed, .drop_last = drop_last}};
}

}  // namespace

Score evaluate(nn::Module& model, const data::Dataset& d) {
  const NoGradGuard no_grad;
  const nn::TrainingGuard evaluation(model, false);
  const Tensor y = model(d.x);
  if (has_classes(d)) return {nn::cross_entropy(y, d.y).item(), nn::accuracy(y, d.y)};
  const double error = nn::mse_loss(y, d.y).item(), spread = var(d.y.to(kFloat64), {}, 0).item();
  return {error, spread > 0 ? 1 - error / spread : error > 0 ? 0.0 : 1.0};
}

std::int64_t training_steps(const nn::Module& model, const data::Dataset& train,
                            const TrainerOptions& options) {
  const std::int64_t whole = train.size() / options.batch_size;
  const bool rest = train.size() % options.batch_size > 0 && !drops_last(model, train, options);
  return options.epochs * (whole + (rest ? 1 : 0));
}

Trainer::Trainer(nn::Module& model, optim::Optimizer& optimizer, data::Dataset train,
                 data::Dataset validation, TrainerOptions options)
    : model_(model),
      optimizer_(optimizer),
      train_(std::move(train)),
      validation_(std::move(validation)),
      options_(std::move(options)),
      batch_norm_(has_batch_norm(model)),
      loader_(loader_of(train_, options_, drops_last(model, train_, options_))) {
  if (options_.epochs < 0 || options_.patience < 0 || !(options_.time_limit >= 0))
    fail<ValueError>("Trainer", "got epochs ", options_.epochs, ", patience ", options_.patience,
                     ", time_limit ", options_.time_limit, ", expected 0 or more");
  const std::string text = optimizer.to_string(), name = text.substr(0, text.find('('));
  if (optimizer.takes_residuals() && has_classes(train_))
    fail<ValueError>("Trainer", "got classes for ", name,
                     ", expected numbers: it minimises squared residuals. Hint: lbfgs or bfgs "
                     "takes any loss");
  static std::atomic_flag warned;  // a search over settings makes hundreds of trainers
  if (optimizer.full_batch() && loader_.batches() > 1 && !warned.test_and_set())
    logging::warning(to_text("Trainer: ", name, " wants all ", train_.size(),
                             " samples at each step, got batches of ", options_.batch_size,
                             ". Hint: one batch of all (batch_size; --batch of descent train)"));
  if (options_.plateau) plateau_.emplace(optimizer_, *options_.plateau);
  if (options_.patience > 0)
    stopping_.emplace(optim::EarlyStoppingOptions{.patience = options_.patience});
}

void Trainer::add_to(Checkpoint& checkpoint) {
  checkpoint.add("model", model_);
  checkpoint.add("optimizer", optimizer_);
  checkpoint.add("loader", loader_);
  checkpoint.add("history", *this);
  if (plateau_) checkpoint.add("plateau", *plateau_);
  if (stopping_) checkpoint.add("early_stopping", *stopping_);
}

std::map<std::string, Tensor> Trainer::state_dict() const {
  std::vector<double> rows;
  for (const Epoch& e : result_.epochs)
    rows.insert(rows.end(), {e.train.loss, e.train.accuracy, e.validation.loss,
                             e.validation.accuracy, e.lr, e.seconds});
  return {{"epochs", tensor(rows).reshape({-1, 6})},
          {"lr", full({}, lr_, kFloat64)},
          {"seconds", full({}, result_.seconds, kFloat64)}};
}

void Trainer::load_state_dict(const std::map<std::string, Tensor>& state) {
  const auto part = [&](const char* name, std::int64_t columns) {
    const auto at = state.find(name);
    if (at == state.end() || at->second.dtype() != kFloat64 ||
        (columns > 0 ? at->second.dim() != 2 || at->second.size(1) != columns
                     : at->second.dim() != 0))
      fail<StateError>("history", "got a state without the numbers '", name, "', expected them");
    return at->second;
  };
  const Tensor lr = part("lr", 0), seconds = part("seconds", 0);
  const auto rows = part("epochs", 6).to_vector<double>();
  result_.epochs.clear();
  for (std::size_t i = 0; i + 5 < rows.size(); i += 6)
    result_.epochs.push_back({static_cast<std::int64_t>(i / 6) + 1,
                              {rows[i], rows[i + 1]},
                              {rows[i + 2], rows[i + 3]},
                              rows[i + 4],
                              rows[i + 5]});
  lr_ = lr.item();
  result_.seconds = seconds.item();
}

/// The scores on training and validation data that the model would have if training ended now. Once
/// the optimizer keeps an average, these are the scores of the averaged weights. Early stopping
/// keeps a copy of the weights that were scored.
std::pair<Score, Score> Trainer::scores() {
  const auto both = [&] {
    const std::pair scores(evaluate(model_, train_), evaluate(model_, validation_));
    if (stopping_) stopping_->step(loss_to_lower(scores.second), model_);
    return scores;
  };
  if (!optimizer_.has_average()) return both();
  const auto statistics = batch_norm_ ? model_.state_dict() : optim::State();
  std::pair<Score, Score> scores;
  {
    const optim::AverageGuard averaged(optimizer_);
    measure_batch_norm();
    scores = both();
  }
  if (batch_norm_) model_.load_state_dict(statistics);
  return scores;
}

/// Whether more epochs than `patience` have passed since the best one, or the time is over.
bool Trainer::has_stopped() const {
  return result_.out_of_time ||
         (stopping_ &&
          std::ssize(result_.epochs) - 1 - stopping_->best_epoch() > options_.patience);
}

bool Trainer::out_of_time() {
  const double passed = seconds() - start_;
  if (options_.time_limit > 0 && passed > options_.time_limit) result_.out_of_time = true;
  return result_.out_of_time;
}

/// Computes the running statistics anew, after the weights changed.
void Trainer::measure_batch_norm() {
  if (batch_norm_)
    nn::update_batch_norm(model_, data::DataLoader(train_, {.batch_size = options_.batch_size}));
}

/// The validation loss that chooses the epoch and lowers the rate.
double Trainer::loss_to_lower(const Score& validated) {
  if (!options_.balanced || !has_classes(validation_)) return validated.loss;
  const NoGradGuard no_grad;
  const nn::TrainingGuard evaluation(model_, false);
  const Tensor losses =
      nn::cross_entropy(model_(validation_.x), validation_.y, {.reduction = nn::Reduction::none});
  const auto loss = losses.to_vector<double>();
  const auto label = validation_.y.to_vector<std::int64_t>();
  std::map<std::int64_t, std::pair<double, double>> sums;  // of a class: its losses, its rows
  for (std::size_t r = 0; r < loss.size(); ++r)
    sums[label[r]].first += loss[r], sums[label[r]].second += 1;
  double mean = 0;
  for (const auto& [c, sum] : sums)
    mean += sum.first / sum.second / static_cast<double>(sums.size());
  return mean;
}

/// The mean loss of a batch, where samples count by their weights.
Tensor Trainer::loss_of(const data::Batch& batch) {
  const bool classes = has_classes(train_);
  nn::CrossEntropyOptions options{.label_smoothing = classes ? options_.label_smoothing : 0};
  if (!options_.weight.defined()) {
    const Tensor out = model_(batch.x);
    return classes ? nn::cross_entropy(out, batch.y, options) : nn::mse_loss(out, batch.y);
  }
  const std::int64_t d = train_.num_features();
  const Tensor out = model_(batch.x.narrow(1, 0, d).contiguous()), w = batch.x.select(1, d);
  options.reduction = nn::Reduction::none;
  const Tensor losses = classes ? nn::cross_entropy(out, batch.y, options)
                                : mean(nn::mse_loss(out, batch.y, nn::Reduction::none), {1});
  return mean(losses * w);
}

/// Residuals whose loss, half the sum of their squares, is loss_of().
Tensor Trainer::residuals_of(const data::Batch& batch) {
  if (!options_.weight.defined()) return nn::mse_residuals(model_(batch.x), batch.y);
  const std::int64_t d = train_.num_features();
  const Tensor w = batch.x.select(1, d).unsqueeze(1);
  return nn::mse_residuals(model_(batch.x.narrow(1, 0, d).contiguous()), batch.y) * sqrt(w);
}

/// Trains on the batches of the epoch that are left.
void Trainer::train_an_epoch(const std::function<void()>& watch) {
  double start = seconds();
  for (const data::Batch batch : loader_) {
    optimizer_.step([&] {
      if (optimizer_.takes_residuals()) return residuals_of(batch);
      const Tensor loss = loss_of(batch);
      loss.backward();
      return loss;
    });
    const double end = seconds();
    result_.seconds += end - start;
    start = end;
    if (watch) watch();
    if (out_of_time()) break;
  }
}

/// Leaves the model with the best weights, or with the average of the weights.
void Trainer::finish() {
  result_.averaged = optimizer_.has_average();
  if (stopping_ && stopping_->best_epoch() >= 0) {
    stopping_->restore(model_);
    result_.best_epoch = stopping_->best_epoch() + 1;
  } else if (result_.averaged) {
    optimizer_.swap_average();
    measure_batch_norm();
  }
  result_.validation = evaluate(model_, validation_);
}

namespace {

/// The rate of the first group; 0 for a rule without one.
double rate_of(const optim::Optimizer& optimizer) {
  const std::vector<optim::Field> fields = optimizer.fields();
  const auto lr = std::ranges::find(fields, "lr", &optim::Field::name);
  return lr == fields.end() ? 0 : lr->value;
}

}  // namespace

TrainingResult Trainer::run(const TrainingWatchers& watch) {
  start_ = seconds();
  std::vector<Epoch>& epochs = result_.epochs;
  const nn::TrainingGuard training(model_);
  try {
    while (std::ssize(epochs) < options_.epochs && !has_stopped()) {
      if (loader_.epoch() == std::ssize(epochs)) lr_ = rate_of(optimizer_);
      if (loader_.finished_epochs() == std::ssize(epochs)) train_an_epoch(watch.batch);
      const auto [trained, validated] = scores();
      epochs.push_back({std::ssize(epochs) + 1, trained, validated, lr_, result_.seconds});
      if (!std::isfinite(trained.loss))
        fail<NonFiniteError>("Trainer", "got a loss that is no number after epoch ", epochs.size(),
                             ", expected one. Hint: lower the learning rate, or clip the norm");
      if (plateau_) plateau_->step(loss_to_lower(validated));
      if (watch.epoch) watch.epoch(epochs.back());
    }
    finish();
  } catch (const NonFiniteError& e) {
    result_.diverged = true;
    result_.failure = e.what();
    result_.validation = {kNone, kNone};
    if (stopping_ && stopping_->best_epoch() >= 0) finish();  // the best weights are still there
  }
  result_.gradient_evaluations = optimizer_.gradient_evaluations();
  return result_;
}

}  // namespace descent
