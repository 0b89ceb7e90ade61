// Runs a fuzzer without libFuzzer: every file of its corpus, every beginning of each file, and
// mutations of the files. replay FOLDER MUTATIONS [SEED]
#include "tests/fuzz/fuzz.h"

#include <descent/core/files.h>
#include <descent/core/random.h>

#include <csignal>
#include <filesystem>
#include <vector>

namespace {

using namespace descent;

std::string g_what;   // what is being run, for a message
std::string g_input;  // its bytes

/// When the program breaks a promise: says which input did it, and keeps the input.
void tell(int signal) {
  std::fprintf(stderr, "%s\nThe input is in replay-failure.\n", g_what.c_str());
  if (std::FILE* const file = std::fopen("replay-failure", "wb")) {
    std::fwrite(g_input.data(), 1, g_input.size(), file);
    std::fclose(file);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(std::string what, std::string input) {
  g_what = std::move(what);
  g_input = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(g_input.data()), g_input.size());
}

/// Changes a byte, removes, doubles or inserts some bytes, or takes some from another file.
std::string mutated(std::string s, const std::vector<std::string>& corpus, Generator& random) {
  for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
    const std::size_t at = random.below(s.size() + 1);
    const std::size_t count = std::min<std::size_t>(random.below(9), s.size() - at);
    const std::string& other = corpus[random.below(corpus.size())];
    const std::size_t from = random.below(other.size() + 1);
    switch (random.below(5)) {
      case 0:
        s.erase(at, count);
        break;
      case 1:
        s.insert(at, s.substr(at, count));
        break;
      case 2:
        s.insert(at, other.substr(from, random.below(17)));
        break;
      case 3:
        s.insert(at, 1, static_cast<char>(random.next()));
        break;
      default:
        if (at < s.size()) s[at] = static_cast<char>(s[at] ^ 1 << random.below(8));
    }
  }
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::signal(SIGABRT, tell);
  std::signal(SIGSEGV, tell);
  const std::uint64_t seed = argc > 3 ? std::stoull(argv[3]) : 1;
  std::vector<std::string> paths, corpus;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    paths.push_back(entry.path().string());
  std::ranges::sort(paths);
  for (const std::string& path : paths) corpus.push_back(read_file(path));
  fuzz::require(!corpus.empty(), "a corpus has files");
  for (std::size_t i = 0; i < corpus.size(); ++i)
    for (std::size_t n = 0; n <= corpus[i].size(); ++n)
      run(to_text("the first ", n, " bytes of ", paths[i]), corpus[i].substr(0, n));
  Generator random(seed);
  for (int i = 0; i < std::stoi(argv[2]); ++i) {
    const std::size_t k = random.below(corpus.size());
    run(to_text("mutation ", i, " with seed ", static_cast<unsigned long>(seed), ", of ", paths[k]),
        mutated(corpus[k], corpus, random));
  }
}
