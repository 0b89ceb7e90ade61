#include "run/training.h"

#include <chrono>
#include <cmath>
#include <map>

namespace app {

using namespace descent;

Score evaluate(nn::Module& model, const data::Dataset& d) {
  const NoGradGuard guard;
  const bool training = model.is_training();
  model.eval();
  const Tensor y = model(d.x);
  model.train(training);
  if (d.is_classification()) return {nn::cross_entropy(y, d.y).item(), nn::accuracy(y, d.y)};
  const double error = nn::mse_loss(y, d.y).item(), spread = var(d.y.to(kFloat64), {}, 0).item();
  return {error, spread > 0 ? 1 - error / spread : error > 0 ? 0.0 : 1.0};
}

Training::Training(const Options& o, nn::Sequential& model, const data::Dataset& train,
                   const data::Dataset& validation, const Tensor& weight)
    : o_(o),
      model_(model),
      train_(train),
      validation_(validation),
      weighted_(weight.defined()),
      // Batch normalisation throws for a batch of one sample. An incomplete last batch could have
      // one sample, so every incomplete last batch is left out.
      loader_(weighted_ ? cat({train.x, weight.reshape({-1, 1})}, 1) : train.x, train.y,
              {.batch_size = o.batch,
               .seed = o.seed,
               .drop_last = o.batch_norm && train.size() > o.batch}),
      optimizer_(make_optimizer(o, model.parameters(), o.epochs * loader_.batches())) {
  if (choose("--schedule", schedules(), o.schedule).by_validation)
    plateau_.emplace(optimizer_, optim::PlateauOptions{.factor = 0.3, .patience = 2});
  if (o.patience > 0) stopping_.emplace(optim::EarlyStoppingOptions{.patience = o.patience});
}

void Training::add_to(Checkpoint& checkpoint) {
  checkpoint.add("model", model_);
  checkpoint.add("optimizer", optimizer_);
  checkpoint.add("loader", loader_);
  checkpoint.add("history", *this);
  if (plateau_) checkpoint.add("plateau", *plateau_);
  if (stopping_) checkpoint.add("early_stopping", *stopping_);
}

std::map<std::string, Tensor> Training::state_dict() const {
  std::vector<double> rows;
  for (const Epoch& e : run_.epochs)
    rows.insert(rows.end(), {e.train.loss, e.train.accuracy, e.validation.loss,
                             e.validation.accuracy, e.lr, e.seconds});
  return {{"epochs", tensor(rows).reshape({-1, 6})},
          {"lr", full({}, lr_, kFloat64)},
          {"seconds", full({}, run_.seconds, kFloat64)}};
}

void Training::load_state_dict(const std::map<std::string, Tensor>& state) {
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
  run_.epochs.clear();
  for (std::size_t i = 0; i + 5 < rows.size(); i += 6)
    run_.epochs.push_back({static_cast<std::int64_t>(i / 6) + 1,
                           {rows[i], rows[i + 1]},
                           {rows[i + 2], rows[i + 3]},
                           rows[i + 4],
                           rows[i + 5]});
  lr_ = lr.item();
  run_.seconds = seconds.item();
}

/// The scores on training and validation data that the model would have if training ended now. Once
/// the optimizer keeps an average, these are the scores of the averaged weights. Early stopping
/// keeps a copy of the weights that were scored.
std::pair<Score, Score> Training::scores() {
  const auto both = [&] {
    const std::pair scores(evaluate(model_, train_), evaluate(model_, validation_));
    if (stopping_) stopping_->step(loss_to_lower(scores.second), model_);
    return scores;
  };
  if (!optimizer_.has_average()) return both();
  const auto statistics = o_.batch_norm ? model_.state_dict() : optim::State();
  std::pair<Score, Score> scores;
  {
    const optim::AverageGuard averaged(optimizer_);
    if (o_.batch_norm) measure_batch_norm();
    scores = both();
  }
  if (o_.batch_norm) model_.load_state_dict(statistics);
  return scores;
}

/// Whether more epochs than --patience have passed since the best one, or the time is over.
bool Training::has_stopped() const {
  return run_.out_of_time ||
         (stopping_ && std::ssize(run_.epochs) - 1 - stopping_->best_epoch() > o_.patience);
}

bool Training::out_of_time() {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  if (o_.time_limit > 0 && passed.count() > o_.time_limit) run_.out_of_time = true;
  return run_.out_of_time;
}

/// Computes the running statistics anew, after the weights changed.
void Training::measure_batch_norm() {
  nn::update_batch_norm(model_, data::DataLoader(train_, {.batch_size = o_.batch}));
}

/// The validation loss that chooses the epoch and lowers the rate. With --class-weights balanced,
/// every class counts alike in this loss, as in training.
double Training::loss_to_lower(const Score& validated) {
  if (o_.class_weights != "balanced") return validated.loss;
  const NoGradGuard guard;
  const bool training = model_.is_training();
  model_.eval();
  const Tensor losses =
      nn::cross_entropy(model_(validation_.x), validation_.y, {.reduction = nn::Reduction::none});
  model_.train(training);
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
Tensor Training::loss_of(const data::Batch& batch) {
  const bool classes = train_.is_classification();
  const nn::CrossEntropyOptions options{.label_smoothing = classes ? o_.label_smoothing : 0};
  if (!weighted_) {
    const Tensor out = model_(batch.x);
    return classes ? nn::cross_entropy(out, batch.y, options) : nn::mse_loss(out, batch.y);
  }
  const std::int64_t d = train_.num_features();
  const Tensor out = model_(batch.x.narrow(1, 0, d).contiguous()), w = batch.x.select(1, d);
  nn::CrossEntropyOptions each = options;
  each.reduction = nn::Reduction::none;
  const Tensor losses = classes ? nn::cross_entropy(out, batch.y, each)
                                : mean(nn::mse_loss(out, batch.y, nn::Reduction::none), {1});
  return mean(losses * w);
}

/// Trains on the batches of the epoch that are left.
void Training::train_an_epoch(const std::function<void()>& watch) {
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  for (const data::Batch batch : loader_) {
    optimizer_.step([&] {
      const Tensor loss = loss_of(batch);
      loss.backward();
      return loss;
    });
    const auto end = Clock::now();
    run_.seconds += std::chrono::duration<double>(end - start).count();
    start = end;
    if (watch) watch();
    if (out_of_time()) break;
  }
}

Run Training::run(const Watchers& watch) {
  start_ = std::chrono::steady_clock::now();
  if (!o_.trace.empty()) optimizer_.set_tracer(optim::csv_tracer(o_.trace));
  std::vector<Epoch>& epochs = run_.epochs;
  try {
    while (std::ssize(epochs) < o_.epochs && !has_stopped()) {
      if (loader_.epoch() == std::ssize(epochs)) lr_ = optimizer_.get("lr");
      if (loader_.finished_epochs() == std::ssize(epochs)) train_an_epoch(watch.batch);
      const auto [trained, validated] = scores();
      epochs.push_back({std::ssize(epochs) + 1, trained, validated, lr_, run_.seconds});
      if (!std::isfinite(trained.loss))
        fail<NonFiniteError>("train", "got a loss that is no number after epoch ", epochs.size(),
                             ", expected one. Hint: lower --lr or add --clip-norm 1");
      if (plateau_) plateau_->step(loss_to_lower(validated));
      if (watch.epoch) watch.epoch(epochs.back());
    }
    if (stopping_) {
      stopping_->restore(model_);
      run_.best_epoch = stopping_->best_epoch() + 1;
      run_.averaged = optimizer_.has_average();
    } else if (optimizer_.has_average() || ((o_.swa > 0 || o_.ema > 0) &&
                                            !run_.out_of_time)) {  // else there was no time for one
      run_.averaged = true;
      optimizer_.swap_average();  // the model keeps the averaged weights
      if (o_.batch_norm) measure_batch_norm();
    }
    run_.validation = evaluate(model_, validation_);
  } catch (const NonFiniteError& e) {
    run_.diverged = true;
    run_.failure = e.what();
    if (const std::size_t hint = run_.failure.find(" Hint:"); hint != std::string::npos)
      run_.failure.resize(hint);
    run_.failure += " Hint: lower --lr, or add --clip-norm 1";
  }
  run_.gradient_evaluations = optimizer_.gradient_evaluations();
  return run_;
}

}  // namespace app
