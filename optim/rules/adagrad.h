// AdaGrad: the rate of each weight falls with the sum of the squares of its gradients.
#pragma once

#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// AdaGrad. Source: Duchi, Hazan & Singer 2011, JMLR 12:2121, Fig. 1, diagonal form:
///   G += g²,  θ −= η_t·g/(√G + ε),  η_t = η/(1 + (t − 1)·lr_decay).
/// Deviations, as in PyTorch: lr_decay, initial_accumulator, and weight_decay, which adds λθ to g
/// (L2). ε stands outside the root, as in the paper and in PyTorch. With `eps_inside_sqrt` the step
/// divides by √(G + ε), as many texts have it. Where all gradients were 0, the step is 0.
struct AdaGrad {
  /// lr: rate η. lr_decay: how fast the rate falls by itself, per update. eps: added to the root,
  /// ε. initial_accumulator: G before the first step. weight_decay: L2 penalty λ.
  Hyper lr = 1e-2, lr_decay = 0, eps = 1e-10, initial_accumulator = 0, weight_decay = 0;
  /// eps_inside_sqrt: divides by √(G + ε). maximize: climbs instead of descending.
  bool eps_inside_sqrt = false, maximize = false;

  static constexpr Card card{
      .name = "adagrad",
      .title = "AdaGrad",
      .formula = "G += g²,  θ −= η g / (√G + ε)",
      .paper = "Duchi, Hazan & Singer 2011, JMLR 12:2121",
      .when = "Sparse features: rare ones keep a large rate. Convex problems.",
      .avoid = "Deep networks and long runs: use rmsprop or adam.",
      .traps = "G only grows, so the rate shrinks for ever and training may stop early.",
      .state = 1,
      .basic = true};
  /// sum: G, the sum of g².
  static constexpr std::array slot_names{"sum"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("lr_decay", r.lr_decay, kNonNegative);
    f("eps", r.eps, kNonNegative);
    f("initial_accumulator", r.initial_accumulator, kNonNegative);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("eps_inside_sqrt", r.eps_inside_sqrt);
    f("maximize", r.maximize);
  }

  template <class T>
  auto at(Step s) const {
    const T eta = T(lr(s) / (1 + static_cast<double>(s.t - 1) * lr_decay(s)));
    const T decay = T(weight_decay(s)), e = T(eps(s));
    const T start = s.t == 1 ? T(initial_accumulator(s)) : T(0);
    const bool inside = eps_inside_sqrt;
    return [=](auto& w, auto g, auto& G) {
      if (decay != 0) g += decay * w;
      if (start != 0) G += start;
      G += g * g;
      const auto root = inside ? sqrt(G + e) : sqrt(G) + e;
      w -= ratio(eta * g, root);  // 0 where every gradient was 0
    };
  }
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN AdaGrad
#include <descent/optim/engine/built_in.inc>
