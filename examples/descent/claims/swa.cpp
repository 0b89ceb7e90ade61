// SWA averages to a wider, better point.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

/// The mean loss at weights that are `radius` away, over 20 random directions. The directions are
/// the same for every model.
double nearby(nn::Sequential model, const data::Dataset& d, double radius) {
  Generator generator(11);
  const Tensor centre = flat(model).clone();
  double sum = 0;
  constexpr int kDirections = 20;
  for (int i = 0; i < kDirections; ++i) {
    const Tensor way = randn(centre.shape(), generator);
    set_flat(model, centre + way * (radius / std::sqrt(way.square().sum().item())));
    sum += evaluate(model, d).loss / kDirections;
  }
  set_flat(model, centre);
  return sum;
}

void measure(Evidence& e) {
  constexpr int kChains = 100000, kSteps = 1000, kAveraged = 850;
  Generator generator(1);
  const Tensor x = point(std::vector<double>(kChains, 0.0));  // each element is a run of its own
  optim::Optimizer sgd =
      optimizer_of(to_text("swa(sgd(lr=0.1), start=", kSteps - kAveraged, ")"), x);
  double iterates = 0;
  for (int i = 0; i < kSteps; ++i) {
    x.set_grad(x.detach() + randn({kChains}, generator, kFloat64));
    sgd.step();
    if (i >= kSteps - kAveraged) iterates += x.detach().square().mean().item() / kAveraged;
  }
  sgd.swap_average();
  e.equals("mean squared error of the iterates", iterates, ".0526");
  e.equals("of their average", x.detach().square().mean().item(), ".00116");

  int better = 0, flatter = 0;
  Chart rays{"Digits: training loss around each solution",
             "distance along random directions",
             "loss",
             false,
             true,
             {}};
  Chart line{"Loss on the line from the last iterate to the average",
             "0: last, 1: average",
             "loss",
             false,
             true,
             {}};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const data::Split parts = data::split(data::digits(), 0.8, seed);
    Options o{
        .optimizer = "sgd", .lr = 0.3, .set = {"weight_decay=0.001"}, .epochs = 40, .seed = seed};
    const Trained alone = trained(o, parts);
    o.swa = 0.75;
    const Trained averaged = trained(o, parts);
    better += averaged.run.validation.loss <= alone.run.validation.loss;
    Series a{"last iterate", {}, {}}, b{"average", {}, {}};
    for (const double radius : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0}) {
      a.x.push_back(radius), b.x.push_back(radius);
      a.y.push_back(nearby(alone.model, parts.train, radius));
      b.y.push_back(nearby(averaged.model, parts.train, radius));
    }
    flatter += b.y[4] - b.y[0] < a.y[4] - a.y[0];
    if (seed > 1) continue;
    rays.series = {a, b};
    line.series =
        along_line(alone, averaged, {{"training loss", parts.train}, {"test loss", parts.test}});
  }
  e.expect("digits, test loss of the average at most the last iterate's",
           to_text(better, " of 5 seeds"), "4 or more", better >= 4);
  e.expect("loss rises less at distance 2", to_text(flatter, " of 5 seeds"), "4 or more",
           flatter >= 4);
  e.show(rays);
  e.show(line);
}

}  // namespace

const Claim swa{"swa", "Stochastic weight averaging ends at a wider, better point.",
                "½x² with gradients x + N(0, 1), η = 0.1, in 100,000 runs of 1,000 steps: mean "
                "squared error of the last 850 iterates, η/(2 − η) in theory, and of their "
                "average. A network of 64-64-10 on digits, SGD at a constant rate with some weight "
                "decay, the last quarter averaged: for at least 4 of 5 seeds the test loss of the "
                "average is at most that of the last iterate, and the loss rises less along random "
                "directions.",
                measure};

}  // namespace app::claims
