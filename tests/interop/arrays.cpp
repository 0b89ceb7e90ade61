// Reads every array in a folder, and writes it anew for NumPy: interop_arrays FOLDER
#include <descent/descent.h>

#include <filesystem>
#include <iostream>

using namespace descent;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
      files.push_back(entry.path());
    for (const std::filesystem::path& file : files) {
      const std::string again = (file.parent_path() / file.stem()).string() + "-again";
      if (file.extension() == ".npz") data::save_npz(again + ".npz", data::load_npz(file.string()));
      if (file.extension() == ".npy") data::save_npy(again + ".npy", data::load_npy(file.string()));
    }
  } catch (const Error& e) {
    std::cerr << e.what() << "\n";
    return 3;
  }
}
