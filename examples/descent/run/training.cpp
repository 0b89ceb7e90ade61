#include "run/training.h"

#include <chrono>
#include <cmath>

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
                   const data::Dataset& validation)
    : o_(o),
      model_(model),
      train_(train),
      validation_(validation),
      // Batch normalisation throws for a batch of one sample. An incomplete last batch could have
      // one sample, so every incomplete last batch is left out.
      loader_(train, {.batch_size = o.batch,
                      .seed = o.seed,
                      .drop_last = o.batch_norm && train.size() > o.batch}),
      optimizer_(make_optimizer(o, model.parameters(), o.epochs * loader_.batches())) {}

/// The scores on training and validation data that the model would have if training ended now. Once
/// the optimizer keeps an average, these are the scores of the averaged weights.
std::pair<Score, Score> Training::scores() {
  const auto both = [&] {
    return std::pair(evaluate(model_, train_), evaluate(model_, validation_));
  };
  if (!optimizer_.has_average()) return both();
  const auto statistics = o_.batch_norm ? model_.state_dict() : optim::State();
  std::pair<Score, Score> scores;
  {
    const optim::AverageGuard averaged(optimizer_);
    if (o_.batch_norm)
      nn::update_batch_norm(model_, data::DataLoader(train_, {.batch_size = o_.batch}));
    scores = both();
  }
  if (o_.batch_norm) model_.load_state_dict(statistics);
  return scores;
}

Run Training::run(const std::function<void(const Epoch&)>& watch) {
  using Clock = std::chrono::steady_clock;
  if (!o_.trace.empty()) optimizer_.set_tracer(optim::csv_tracer(o_.trace));
  std::optional<optim::ReduceOnPlateau> plateau;
  if (choose("--schedule", schedules(), o_.schedule).by_validation)
    plateau.emplace(optimizer_, optim::PlateauOptions{.factor = 0.3, .patience = 2});

  Run run;
  try {
    for (std::int64_t epoch = 1; epoch <= o_.epochs; ++epoch) {
      const auto start = Clock::now();
      const double lr = optimizer_.get("lr");
      for (auto [x, y] : loader_)
        optimizer_.step([&, x = x, y = y] {
          const Tensor out = model_(x);
          const Tensor loss =
              train_.is_classification() ? nn::cross_entropy(out, y) : nn::mse_loss(out, y);
          loss.backward();
          return loss;
        });
      run.seconds += std::chrono::duration<double>(Clock::now() - start).count();
      const auto [trained, validated] = scores();
      run.epochs.push_back({epoch, trained, validated, lr, run.seconds});
      if (!std::isfinite(run.epochs.back().train.loss))
        fail<NonFiniteError>("train", "got a loss that is no number after epoch ", epoch,
                             ", expected one. Hint: lower --lr or add --clip-norm 1");
      if (plateau) plateau->step(run.epochs.back().validation.loss);
      if (watch) watch(run.epochs.back());
    }
    if (o_.swa > 0 || o_.ema > 0 || optimizer_.has_average()) {
      run.averaged = true;
      optimizer_.swap_average();  // the model keeps the averaged weights
      if (o_.batch_norm) nn::update_batch_norm(model_, loader_);
    }
    run.validation = evaluate(model_, validation_);
  } catch (const NonFiniteError& e) {
    run.diverged = true;
    run.failure = e.what();
    if (const std::size_t hint = run.failure.find(" Hint:"); hint != std::string::npos)
      run.failure.resize(hint);
    run.failure += " Hint: lower --lr, or add --clip-norm 1";
  }
  run.gradient_evaluations = optimizer_.gradient_evaluations();
  return run;
}

}  // namespace app
