#include <descent/autograd/compile.h>
#include <descent/autograd/grad_mode.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>

#include <algorithm>

namespace descent::detail {

struct Recordings::Recording {
  std::vector<Tensor> inputs;  // the recording's own buffers, which each call fills
  std::vector<Tensor> outputs;
  bool grad_mode = grad_enabled();
  Tape tape;

  bool fits(std::span<const Tensor> given) const {
    if (given.size() != inputs.size() || grad_mode != grad_enabled()) return false;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (!(given[i].shape() == inputs[i].shape()) || given[i].dtype() != inputs[i].dtype() ||
          !(given[i].strides() == inputs[i].strides() || !kernel::is_dense(given[i])))
        return false;
    return true;
  }
};

void fail_without_function() {
  fail<ValueError>("compile", "got an empty function, expected one to record");
}

Recordings::Recordings(Function f, CompileOptions options) : f_(std::move(f)), options_(options) {
  if (options.cache < 1)
    fail<ValueError>("compile",
                     "got cache = 0, expected room for at least one recording. Hint: 1 keeps the "
                     "last set of shapes");
}
Recordings::Recordings(Recordings&&) noexcept = default;
Recordings& Recordings::operator=(Recordings&&) noexcept = default;
Recordings::~Recordings() = default;

const std::vector<Tensor>& Recordings::replay_or_record(std::span<const Tensor> inputs) {
  if (!f_)
    fail<StateError>("compile", "got a compiled step that was moved away, expected one in use");
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad())
      fail<GraphError>("compile", "got input ", i, " that requires a gradient, expected data. ",
                       "Hint: detach() it, and call requires_grad_() inside the function");
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const auto& r) { return r->fits(inputs); });
  if (found != recordings_.end()) {
    std::rotate(recordings_.begin(), found, found + 1);
    Recording& r = *recordings_.front();
    if (r.tape.holds()) {
      for (std::size_t i = 0; i < inputs.size(); ++i) kernel::copy(inputs[i], r.inputs[i]);
      r.tape.replay();
      return r.outputs;
    }
    recordings_.erase(recordings_.begin());
  }
  auto fresh = std::make_unique<Recording>();
  // A clone has x's strides.
  for (const Tensor& x : inputs) fresh->inputs.push_back(kernel::clone(x));
  {
    const RecordOn record(&fresh->tape);
    fresh->outputs = f_(fresh->inputs);
  }
  fresh->tape.close();
  for (const Tensor& y : fresh->outputs)
    if (y.defined()) fresh->tape.rely_on(y);
  for (Tensor& y : fresh->outputs)
    if (y.defined()) y = y.detach();
  recordings_.insert(recordings_.begin(), std::move(fresh));
  if (recordings_.size() > options_.cache) recordings_.pop_back();
  return recordings_.front()->outputs;
}

std::vector<Tensor> Recordings::run(std::span<const Tensor> inputs) {
  // If the thread already records another step, f_ runs and becomes a part of the other recording.
  // Under an AnomalyGuard f_ runs too, because each operator has to check its values.
  const bool eager = recording() || anomaly_enabled();
  std::vector<Tensor> outputs = eager ? f_(inputs) : replay_or_record(inputs);
  for (Tensor& y : outputs)
    if (y.defined()) y = kernel::clone(y);
  return outputs;
}

Tensor Recordings::run_for_one(std::span<const Tensor> inputs) {
  if (recording() || anomaly_enabled()) return run(inputs).front();
  const Tensor& y = replay_or_record(inputs).front();
  return y.defined() ? kernel::clone(y) : y;
}

void Recordings::clear() { recordings_.clear(); }
std::size_t Recordings::size() const { return recordings_.size(); }
std::size_t Recordings::kernels() const {
  return recordings_.empty() ? 0 : recordings_.front()->tape.size();
}
std::size_t Recordings::bytes() const {
  std::size_t n = 0;
  for (const auto& r : recordings_) {
    n += r->tape.bytes();
    for (const Tensor& x : r->inputs) n += x.body().storage->bytes;
  }
  return n;
}

}  // namespace descent::detail
