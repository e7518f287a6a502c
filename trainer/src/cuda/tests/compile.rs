//! What NVRTC makes of the kernels; no GPU is needed.

use crate::cuda::kernels::{NAMES, compile};

#[test]
#[ignore = "needs NVRTC: run scripts/test_cuda.sh"]
fn kernels_compile() {
    for architecture in ["75", "80", "90"] {
        let (ptx, warnings) = compile(&format!("compute_{architecture}")).unwrap();
        let text = String::from_utf8_lossy(&ptx);
        assert_eq!(warnings.trim(), "", "warnings");
        assert!(text.contains(&format!(".target sm_{architecture}")), "{text}");
        for name in NAMES {
            assert!(text.contains(&format!(".entry {name}(")), "no kernel {name} for {architecture}");
        }
        let (machine_code, _) = compile(&format!("sm_{architecture}")).unwrap();
        assert!(machine_code.starts_with(b"\x7fELF"));
        println!("{} kernels, {} bytes of PTX for {architecture}", NAMES.len(), ptx.len());
    }
    let error = compile("compute_1").err().unwrap();
    assert!(format!("{error:#}").contains("compute_1"), "{error:#}");
}
