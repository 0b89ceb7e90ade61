#include "run/training.h"

namespace app {

using namespace descent;

namespace {

TrainerOptions trainer_options(const Options& o, const Tensor& weight) {
  TrainerOptions t{.epochs = o.epochs,
                   .batch_size = o.batch,
                   .seed = o.seed,
                   .patience = o.patience,
                   .time_limit = o.time_limit,
                   .label_smoothing = o.label_smoothing,
                   .weight = weight,
                   .balanced = o.class_weights == "balanced"};
  if (choose("--schedule", schedules(), o.schedule).by_validation)
    t.plateau = {.factor = 0.3, .patience = 2};
  return t;
}

}  // namespace

Training::Training(const Options& o, nn::Sequential& model, const data::Dataset& train,
                   const data::Dataset& validation, const Tensor& weight)
    : optimizer(make_optimizer(o, model.parameters(),
                               training_steps(model, train, trainer_options(o, {})))),
      trainer(model, optimizer, train, validation, trainer_options(o, weight)) {}

std::string failure_of(const Run& run) {
  return run.failure.substr(0, run.failure.find(" Hint:")) +
         " Hint: lower --lr, or add --clip-norm 1";
}

}  // namespace app
