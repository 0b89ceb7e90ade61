#include <descent/autograd/ops.h>
#include <descent/core/files.h>
#include <descent/data/fit.h>
#include <descent/nn/loss.h>

#include <unistd.h>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>

namespace descent {

std::vector<FitProgress> fit(nn::Module& model, optim::Optimizer& optimizer,
                             data::DataLoader& loader, const FitOptions& options) {
  using Clock = std::chrono::steady_clock;
  const auto loss_of = [&](const Tensor& y, const Tensor& target) {
    if (options.loss) return options.loss(y, target);
    if (optimizer.takes_residuals()) return nn::mse_residuals(y, target);
    return target.dtype() == kInt64 ? nn::cross_entropy(y, target) : nn::mse_loss(y, target);
  };
  FitProgress p{model, options.epochs, loader.batches()};
  bool go_on = true;
  const auto tell = [&] {
    for (const FitCallback& f : options.callbacks) go_on = f(p) && go_on;
  };
  std::vector<FitProgress> history;
  while (go_on && p.epoch < p.epochs) {
    const nn::TrainingGuard training(model);
    const auto start = Clock::now();
    double sum = 0;
    ++p.epoch;
    p.batch = 0;
    p.validation.reset();
    for (const auto [x, y] : loader) {
      sum += optimizer.step([&, &inputs = x, &targets = y] {
        const Tensor loss = loss_of(model(inputs), targets);
        if (!optimizer.takes_residuals()) loss.backward();
        return loss;
      });
      p.loss = sum / static_cast<double>(++p.batch);
      p.seconds = std::chrono::duration<double>(Clock::now() - start).count();
      tell();
      if (!go_on) break;
    }
    if (options.validation) p.validation = evaluate(model, *options.validation);
    p.epoch_ended = true;
    history.push_back(p);
    tell();
    p.epoch_ended = false;
  }
  p.finished = true;
  tell();
  return history;
}

namespace {

double loss_of(const FitProgress& p) { return p.validation ? p.validation->loss : p.loss; }

/// A number with so many digits behind the point.
std::string digits(double x, int decimals) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::fixed, decimals).ptr};
}

std::string duration(double seconds) {
  if (seconds < 60) return digits(seconds, 0) + "s";
  const auto whole = static_cast<std::int64_t>(seconds);
  return to_text(whole / 60, ":", whole % 60 < 10 ? "0" : "", whole % 60);
}

/// "12/45 ━━━━────  2s left  loss: 0.1234"
std::string line_of(const FitProgress& p, bool colours) {
  constexpr std::int64_t kWidth = 20;
  const std::int64_t full = p.batches > 0 ? kWidth * p.batch / p.batches : kWidth;
  std::string bar;
  for (std::int64_t i = 0; i < kWidth; ++i) bar += i < full ? "━" : "─";
  if (colours) bar = "\033[32m" + bar + "\033[0m";
  const double a_step = p.batch > 0 ? p.seconds / static_cast<double>(p.batch) : 0;
  std::string line = to_text(
      "Epoch ", p.epoch, "/", p.epochs, "  ", p.batch, "/", p.batches, " ", bar, "  ",
      p.epoch_ended ? to_text(duration(p.seconds), " ",
                              digits(1000 * a_step, a_step < 0.01 ? 1 : 0), "ms/step")
                    : to_text(duration(a_step * static_cast<double>(p.batches - p.batch)), " left"),
      "  loss: ", digits(p.loss, 4));
  if (p.validation)
    line += to_text("  val_loss: ", digits(p.validation->loss, 4),
                    "  val_accuracy: ", digits(p.validation->accuracy, 4));
  return line;
}

}  // namespace

FitCallback stop_early(std::int64_t patience) {
  auto stopping =
      std::make_shared<optim::EarlyStopping>(optim::EarlyStoppingOptions{.patience = patience});
  return [stopping](const FitProgress& p) {
    if (p.epoch_ended) return !stopping->step(loss_of(p), p.model);
    if (p.finished && stopping->best_epoch() >= 0) stopping->restore(p.model);
    return true;
  };
}

FitCallback save_best(std::string path) {
  auto best = std::make_shared<double>(std::numeric_limits<double>::infinity());
  return [best, path = std::move(path)](const FitProgress& p) {
    if (!p.epoch_ended || !(loss_of(p) < *best)) return true;
    *best = loss_of(p);
    p.model.save(path);
    return true;
  };
}

FitCallback log_csv(std::string path) {
  auto text = std::make_shared<std::string>("epoch,loss,val_loss,val_accuracy,seconds\n");
  return [text, path = std::move(path)](const FitProgress& p) {
    if (!p.epoch_ended) return true;
    const auto [loss, accuracy] = p.validation.value_or(Score{});
    *text += to_text(p.epoch, ",", p.loss, ",", p.validation ? to_text(loss) : "", ",",
                     p.validation ? to_text(accuracy) : "", ",", digits(p.seconds, 3), "\n");
    write_file(path, *text);
    return true;
  };
}

FitCallback progress_bar() {
  using Clock = std::chrono::steady_clock;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const bool colours = terminal && std::getenv("NO_COLOR") == nullptr;
  auto drawn = std::make_shared<Clock::time_point>();
  return [=](const FitProgress& p) {
    constexpr std::chrono::milliseconds kRest{50};
    if (p.finished || (!p.epoch_ended && (!terminal || Clock::now() - *drawn < kRest))) return true;
    *drawn = Clock::now();
    std::fputs((terminal ? "\r\033[K" : ""), stderr);
    std::fputs((line_of(p, colours) + (p.epoch_ended ? "\n" : "")).c_str(), stderr);
    std::fflush(stderr);
    return true;
  };
}

}  // namespace descent
