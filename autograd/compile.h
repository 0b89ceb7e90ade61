// compile: a training step that is recorded once and then replayed, without graph, allocation or
// dispatch.
//
//   auto step = descent::compile([&](const Tensor& x, const Tensor& y) {
//     optimizer.zero_grad();
//     Tensor loss = nn::cross_entropy(model(x), y);
//     loss.backward();
//     optimizer.step();
//     return loss;
//   });
//   for (auto [x, y] : loader) total += step(x, y).item();
//
// The first call with inputs of some shapes runs the function as always and records every kernel it
// reaches; later calls with those shapes copy the inputs in and run the kernels again, on the same
// memory: the same bits as without compile. Everything goes: schedules, clipping, SAM, averages,
// dropout (each replay draws anew), batch normalisation, second derivatives.
//
// What the function decides, it decides when it is recorded. Reading a value inside (item(),
// to_vector(), data_ptr(), printing) is therefore a GraphError, optimizer.step(closure) gives NaN
// there, and ordinary variables, handles to tensors among them, keep what they had: state from step
// to step belongs into tensors made outside and written in place. These changes are noticed and
// lead to a new recording: Module::train() and eval(), a parameter that was frozen, unfrozen or
// given other memory, an optimizer that was replaced or wrapped, gradients that are there or not
// when the step begins. For anything else call reset(). Hooks run while recording only; their
// operators are replayed. Under an AnomalyGuard the function runs as always.
//
// The inputs are copies: writing to one does not reach the caller's. Gradients and whatever else
// the step made lie in its memory, which the next replay fills anew: clone() what is to be kept.
//
// Optimizers, modules and generators that the function uses must outlive the step. What it returns
// is a copy without a history. Not thread-safe; recording affects the calling thread alone.
#pragma once

#include <descent/core/tensor.h>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace descent {

struct CompileOptions {
  std::size_t cache = 8;  ///< recordings kept, one for each set of shapes; the oldest goes first
};

namespace detail {

/// The recordings of one function from tensors to tensors.
class Recordings {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  Recordings(Function f, CompileOptions options);
  Recordings(Recordings&&) noexcept;
  Recordings& operator=(Recordings&&) noexcept;
  ~Recordings();

  std::vector<Tensor> run(std::span<const Tensor> inputs);
  /// The one output, without a vector around it.
  Tensor run_for_one(std::span<const Tensor> inputs);
  void clear();
  std::size_t size() const;
  std::size_t kernels() const;  // of the recording used last
  std::size_t bytes() const;    // of all recordings

 private:
  struct Recording;
  const std::vector<Tensor>& replay_or_record(std::span<const Tensor> inputs);

  Function f_;
  CompileOptions options_;
  std::vector<std::unique_ptr<Recording>> recordings_;  // the one used last in front
};

}  // namespace detail

/// A compiled step; see compile().
template <class F>
class CompiledStep {
 public:
  CompiledStep(F f, CompileOptions options)
      : recordings_([f = std::move(f)](std::span<const Tensor> x) mutable { return call(f, x); },
                    options) {}

  /// As many tensors as the function takes; gives what the function gives: a Tensor, a vector of
  /// them, or nothing. Throws GraphError for an input that requires a gradient.
  template <class... T>
  requires(std::is_convertible_v<const T&, Tensor>&&...) auto operator()(const T&... inputs) {
    const std::array<Tensor, sizeof...(T)> all{inputs...};
    using Result = std::invoke_result_t<F&, const T&...>;
    if constexpr (std::is_void_v<Result>)
      recordings_.run(all);
    else if constexpr (std::is_convertible_v<Result, Tensor>)
      return recordings_.run_for_one(all);
    else
      return recordings_.run(all);
  }

  /// Forgets all recordings.
  void reset() { recordings_.clear(); }
  /// Recordings at present.
  std::size_t recordings() const { return recordings_.size(); }
  /// Kernels and other actions in the recording used last.
  std::size_t kernels() const { return recordings_.kernels(); }
  /// Memory that the recordings own: inputs and everything made inside.
  std::size_t bytes() const { return recordings_.bytes(); }

 private:
  template <std::size_t... kAt>
  static std::vector<Tensor> call_with(F& f, std::span<const Tensor> x,
                                       std::index_sequence<kAt...>) {
    using Result = decltype(f(x[kAt]...));
    if constexpr (std::is_void_v<Result>) {
      f(x[kAt]...);
      return {};
    } else if constexpr (std::is_convertible_v<Result, Tensor>) {
      return {f(x[kAt]...)};
    } else {
      return f(x[kAt]...);
    }
  }
  template <std::size_t N = 0>
  static std::vector<Tensor> call(F& f, std::span<const Tensor> x) {
    if constexpr (N > 8) {
      static_assert(N <= 8, "a compiled function takes up to eight const Tensor&");
      return {};
    } else if constexpr (takes<N>(std::make_index_sequence<N>())) {
      return call_with(f, x, std::make_index_sequence<N>());
    } else {
      return call<N + 1>(f, x);
    }
  }
  template <std::size_t>
  using Input = const Tensor&;
  template <std::size_t N, std::size_t... kAt>
  static constexpr bool takes(std::index_sequence<kAt...>) {
    return std::is_invocable_v<F&, Input<kAt>...>;
  }

  detail::Recordings recordings_;
};

/// Records f, a function of up to eight const Tensor&, for each set of input shapes and types that
/// it meets. See the top of this file.
template <class F>
CompiledStep<F> compile(F f, CompileOptions options = {}) {
  return CompiledStep<F>(std::move(f), options);
}

}  // namespace descent
